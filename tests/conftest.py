"""Fixtures that every test file may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[2] / "shared" / "samples"


@pytest.fixture(scope="session")
def samples():
    """
    The folder of real logs that may lie beside the checkout.
    """
    if not SAMPLES.is_dir():
        pytest.skip("no sample logs beside the checkout")
    return SAMPLES
