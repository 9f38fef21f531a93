"""Generated pages say what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatdata.docs import pages, write

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("name", sorted(pages()))
def test_page_is_fresh(name):
    """
    The page in the repository is the one that `make docs` writes.
    """
    assert pages()[name] == (DOCS / name).read_text(encoding="utf-8")


def test_write_makes_the_folder(tmp_path):
    """
    Every page is written, into a folder made for it.
    """
    write(tmp_path / "new")

    assert set(pages()) == {path.name for path in (tmp_path / "new").iterdir()}
