"""What every analysis promises, those written later included."""

from __future__ import annotations

import inspect
from pathlib import Path

import narwhals as nw
import polars as pl
import pytest
from chat_rows import at, called, chats, conversation, said
from polars.testing import assert_frame_equal
from random_chats import random_chats

import chatdata as cd
from chatdata import analysis
from chatdata.analysis.definitions import TOPICS

ANALYSES = sorted(analysis.__all__)
METRICS = [metric for topic in TOPICS for metric in topic.metrics]


def _odd():
    """
    A log in which every column that may be null is, somewhere, and every join has a loose end.
    """
    talk = said(
        {"role": "user", "content": "سلام 👋🏽 naïve", "at": 0},
        {"role": "assistant", "content": None, "at": 0, "generation_id": "g"},
        {"role": "tool", "content": "", "at": 0},
        {"role": "assistant", "content": "ok", "generation_id": "g"},
        {"role": "system", "kind": "event", "content": None, "at": 5},
        {"role": "user", "is_main_path": False, "at": -50},
    )
    # One instant for all of them, and time that runs backwards.
    ties = said(
        *({"role": role, "at": 9} for role in ("user", "user", "assistant")), conversation_id="t"
    )
    back = said({"role": "user", "at": 60}, {"role": "assistant", "at": 0}, conversation_id="b")
    orphans = said({"role": "user", "at": None}, conversation_id="gone")
    calls = [
        *called(
            {"name": None, "status": "unknown"},
            {"name": "ünï", "status": "error", "error_source": "explicit"},
            {"name": "ünï", "arguments_raw": "{", "arguments_status": "invalid"},
            {"name": "b", "started_at": at(1), "ended_at": at(2)},
            message_id="c.1",
        ),
        *called({"name": "a", "status": "no_result"}, conversation_id="nobody"),
    ]
    return chats(
        conversations=[
            conversation("c"),
            conversation("t", user_id=None),
            conversation("b", origin="other"),
            conversation("silent"),
        ],
        messages=[*talk, *ties, *back, *orphans],
        tool_calls=calls,
    )


WORLDS = {
    "sample": lambda: cd.sample(60),
    "empty": chats,
    "one message": lambda: chats(messages=said({"role": "user", "at": 0})),
    "one conversation, no times": lambda: chats(messages=said("user", "assistant")),
    "conversations without messages": lambda: chats(conversations=[conversation()]),
    "odd": _odd,
    "random": lambda: random_chats(1),
}


def answer(name, log, **options):
    """
    Ask one question; a lazy answer is collected as it comes.
    """
    found = getattr(analysis, name)(log, **options)
    if isinstance(found, pl.DataFrame):
        return found
    return nw.from_native(found).collect("polars").to_polars()


@pytest.fixture(scope="module", params=WORLDS)
def engines(request):
    """
    One log on each engine.
    """
    log = WORLDS[request.param]()
    return log, log.to("duckdb")


@pytest.mark.parametrize("name", ANALYSES)
def test_engines_agree(name, engines):
    """
    Columns, types, rows and their order are the same on Polars and DuckDB, floats to 1e-9.
    """
    polars, duckdb = (answer(name, log) for log in engines)

    assert_frame_equal(polars, duckdb, rel_tol=1e-9, abs_tol=1e-12)


@pytest.mark.parametrize("name", ANALYSES)
def test_types_do_not_depend_on_the_data(name, engines):
    """
    Every log gives the same columns of the same types, and no number that is not one.
    """
    found = answer(name, engines[0])
    floats = [column for column, dtype in found.schema.items() if dtype.is_float()]

    assert answer(name, chats()).schema == found.schema
    assert 0 == sum(
        found[column].is_nan().sum() + found[column].is_infinite().sum() for column in floats
    )


@pytest.mark.parametrize("name", ANALYSES)
def test_rows_do_not_depend_on_the_order_of_the_input(name):
    """
    A log in another order gives the same answer, row for row.
    """
    log = cd.sample(60)
    shuffled = log.with_frames(
        **{
            name: frame.collect().sample(fraction=1, shuffle=True, seed=1).lazy()
            for name, frame in log.frames.items()
        }
    )

    assert_frame_equal(answer(name, log), answer(name, shuffled))


@pytest.mark.parametrize("name", ANALYSES)
def test_lazy_answers_stay_on_their_engine(name):
    """
    An answer is a Polars DataFrame or a lazy frame of the input's engine, as its signature says.
    """
    log = chats(messages=said("user", "assistant"))
    summary = "DataFrame" in inspect.signature(getattr(analysis, name)).return_annotation
    on_polars, on_duckdb = (getattr(analysis, name)(each) for each in (log, log.to("duckdb")))

    assert summary == isinstance(on_polars, pl.DataFrame) == isinstance(on_duckdb, pl.DataFrame)
    assert summary or isinstance(on_polars, pl.LazyFrame)
    assert summary or "duckdb" in type(on_duckdb).__module__


@pytest.mark.parametrize("name", ANALYSES)
def test_columns_are_documented(name):
    """
    Every column of an answer is named in the docstring that promises it.
    """
    found, promised = answer(name, chats()), getattr(analysis, name).__doc__

    assert [] == [column for column in found.columns if f"`{column}`" not in promised]


def test_ids_of_metrics_are_unique():
    """
    Two metrics never share an id.
    """
    ids = [metric.id for metric in METRICS]

    assert sorted(set(ids)) == sorted(ids)


@pytest.mark.parametrize(
    "column", sorted({column for metric in METRICS for column in metric.columns})
)
def test_metrics_are_where_the_page_says(column):
    """
    Each column that `docs/metrics.md` names exists in the answer it names.
    """
    name, _, found = column.partition(".")

    assert found in answer(name, chats()).columns


def test_every_length_is_defined():
    """
    `conversation_length` shows nothing that `docs/metrics.md` does not define.
    """
    named = {column.partition(".")[2] for metric in METRICS for column in metric.columns}
    shown = set(answer("conversation_length", chats()).columns) - {"conversation_id"}

    assert set() == shown - named


def test_no_analysis_loops_over_rows():
    """
    Nothing in the package walks a frame row by row.
    """
    folder = Path(inspect.getfile(analysis)).parent
    loops = ("iter_rows", "map_elements", "rows(", "to_dicts", "itertuples")
    found = [
        (path.name, loop)
        for path in folder.glob("*.py")
        for loop in loops
        if loop in path.read_text(encoding="utf-8")
    ]

    assert [] == found
