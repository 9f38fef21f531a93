"""The sample world: a to-do application's assistant, its users, and everything that goes wrong.

Written by us, seeded, and the same to the byte wherever it is made, so that the demo, the
notebooks, the tests and the benchmarks can all stand on it.
"""

from __future__ import annotations

from chatdata.sample.application import fill
from chatdata.sample.world import sample

__all__ = ["fill", "sample"]
