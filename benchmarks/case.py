"""One measured piece of work, in this process; `measure.py` starts one for each case and turn.

A case, a function of a topic, gets ready (imports, connections) and returns what is measured, whose
answer has to equal that of the cases beside it.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from importlib import import_module
from pathlib import Path


def _cpu() -> float:
    """CPU seconds of this process and of those it started and waited for."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


def _peak_mb() -> int:
    """The most memory that this program had: `ru_maxrss` would begin with that of its parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) // 1024


def main() -> None:
    """Run one case and print what it took: `case.py TOPIC NAME SOURCE`."""
    topic, name, source = sys.argv[1:]
    work = getattr(import_module(f"topics.{topic}"), name)(source)
    before, start = _cpu(), time.perf_counter()
    answer = work()
    wall, cpu = time.perf_counter() - start, _cpu() - before
    print(json.dumps({"wall": wall, "cpu": cpu, "rss": _peak_mb(), "answer": answer}))


if __name__ == "__main__":
    main()
