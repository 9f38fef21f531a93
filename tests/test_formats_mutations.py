"""No log, however it is damaged, makes a reader fail or lose count.

Changes know what a log is made of (see `mutating.py`): keys are dropped, renamed, given values of
another type, records repeated, lost, put in another order, links turned into cycles and orphans.
Many mutants are read together, so that their ids also meet each other's.
"""

from __future__ import annotations

import json
import random
from contextlib import suppress

import pytest
from mutating import check, damaged, guilty, mutant
from test_formats import EXPECTED, case_of
from test_formats_truth import RULES, truths

from chatdata.errors import SourceError

# Many are read together: what one reading costs by itself is more than a mutant does.
TOGETHER, AT_ONCE = 200, 2_000
CONTAINERS = (b"SQLite", b"PK", b"PAR1")


def documents():
    """
    Every fixture that is text, by its format.
    """
    found = {}
    for expected in EXPECTED:
        data = case_of(expected).read_bytes()
        if not data.startswith(CONTAINERS):
            found.setdefault(json.loads(expected.read_text())["format"], []).append(data)
    return found


DOCUMENTS = documents()


def hold(name, documents):
    """
    Read documents together; of those that fail, name the fewest that do.
    """
    try:
        check(documents, name)
    except Exception as error:
        failing = [documents.index(document) for document in guilty(documents, name)]
        error.add_note(f"{name}, documents {failing[:20]} of {len(documents)}")
        raise


def hold_damaged(path, name):
    """
    Read every damage of a log; of a container that cannot be opened, an error may say so.
    """
    data = path.read_bytes()
    documents = list(damaged(data, random.Random(11)))  # noqa: S311 - seeded
    if not data.startswith(CONTAINERS):
        hold(name, documents)
        return
    for document in documents:
        with suppress(SourceError):
            check([document], name)


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_damage(expected):
    """
    Cut off, changed or re-encoded, a log raises nothing, keeps the contract, and adds up.
    """
    hold_damaged(case_of(expected), json.loads(expected.read_text())["format"])


@pytest.mark.slow
@pytest.mark.parametrize("truth", truths(), ids=lambda truth: truth["file"][-60:])
def test_damaged_samples(samples, truth):
    """
    So does every real log beside the checkout.
    """
    path = samples / "formats" / truth["file"]
    if path.stat().st_size:
        hold_damaged(path, RULES[truth["format"]][0])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_mutants(name):
    """
    A few hundred mutants of every format raise nothing, keep the contract, and add up.
    """
    hold(name, [mutant(name, number, DOCUMENTS[name]) for number in range(TOGETHER)])


@pytest.mark.slow
@pytest.mark.parametrize("name", DOCUMENTS)
def test_many_mutants(name, n_mutants):
    """
    So do as many as are asked for with `--mutants`.
    """
    end = TOGETHER + n_mutants
    for first in range(TOGETHER, end, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, end))
        hold(name, [mutant(name, number, DOCUMENTS[name]) for number in numbers])
