"""The same `Chats` on Polars, DuckDB and Spark: equal, row for row, or refused in one line.

Spark runs here on this machine, in one session for all tests; `test_cluster.py` repeats the
analyses on a cluster.
"""

from __future__ import annotations

import ast
import inspect
from datetime import datetime
from importlib import import_module
from pkgutil import iter_modules

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from random_chats import random_chats
from test_analysis import ANALYSES, WORLDS, answer

import chatdata as cd
from chatdata import analysis, engines, schema
from chatdata.chats import empty, from_frames
from chatdata.load.scope import Scope, scoped

KEY = b"sixteen bytes or more"
OTHERS = ["duckdb", pytest.param("spark", marks=pytest.mark.spark)]
LOGS = {
    "full": lambda: cd.concat(**{"ödd 👋": WORLDS["odd"](), "random": random_chats(7)}),
    "odd": WORLDS["odd"],
    "empty": empty,
}


def questions():
    """
    Every analysis as it is, and those that know time zones in a zone with odd hours too.
    """
    for name in ANALYSES:
        options = inspect.signature(getattr(analysis, name)).parameters
        yield pytest.param(name, {}, id=name)
        if "time_zone" in options:
            day = {"every": "day"} if "every" in options else {}
            yield pytest.param(
                name, {"time_zone": "Australia/Lord_Howe", **day}, id=f"{name}, far away"
            )


def other_questions():
    """
    Analyses that take numbers or words with other ones than they take by themselves.
    """
    for name in ANALYSES:
        options = inspect.signature(getattr(analysis, name)).parameters.values()
        numbers = {
            each.name: other(each) for each in options if isinstance(each.default, int | float)
        }
        words = [
            {each.name: word}
            for each in options
            if str(each.annotation).startswith("Literal[")
            for word in ast.literal_eval(each.annotation.removeprefix("Literal"))
        ]
        for asked in words or [{}]:
            if numbers | asked:
                yield pytest.param(name, numbers | asked, id=f"{name} {numbers | asked}")


def other(option):
    """
    Another number than an option has by itself: the least of what is asked for, or less.
    """
    return 1 if option.name.startswith("min_") else type(option.default)(option.default * 2 / 3)


@pytest.fixture(scope="module")
def moved(request):
    """
    Give a log on an engine; each is moved there once.
    """
    known = {}

    def moved(name, engine):
        if (name, engine) not in known:
            known[name, engine] = on(engine, LOGS[name](), request)
        return known[name, engine]

    return moved


def on(engine, log, request):
    """
    Move a log to an engine, to Spark in the tests' own session.
    """
    if engine == "spark":
        return log.to("spark", spark=request.getfixturevalue("spark"))
    return log.to(engine)


def in_order(log):
    """
    The rows of all frames in one order, to be compared.
    """
    return {name: frame.collect().sort(pl.all()) for name, frame in log.collect().frames.items()}


def assert_same(expected, found):
    """
    Two logs hold the same rows and findings.
    """
    assert expected.findings == found.findings
    for name, rows in in_order(expected).items():
        assert_frame_equal(rows, in_order(found)[name])


@pytest.mark.parametrize("engine", OTHERS)
@pytest.mark.parametrize("log", ["full", "empty"])
@pytest.mark.parametrize(("name", "options"), [*questions()])
def test_engines_agree(name, options, log, engine, moved):
    """
    Columns, types, rows and their order are those of Polars, floats to 1e-9.
    """
    expected, found = (answer(name, moved(log, each), **options) for each in ("polars", engine))

    assert_frame_equal(expected, found, rel_tol=1e-9, abs_tol=1e-12)


@pytest.mark.parametrize("engine", OTHERS)
@pytest.mark.parametrize(("name", "options"), [*other_questions()])
def test_engines_agree_on_other_options(name, options, engine, moved):
    """
    They agree as well on what an analysis is asked for with other numbers and words.
    """
    expected, found = (answer(name, moved("full", each), **options) for each in ("polars", engine))

    assert_frame_equal(expected, found, rel_tol=1e-9, abs_tol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20, 32))
def test_engines_agree_on_logs_made_at_random(seed):
    """
    They agree on more logs, all analyses of which are asked on each engine.
    """
    log = random_chats(seed, conversations=80)
    there = log.to("duckdb")

    for name in ANALYSES:
        assert_frame_equal(answer(name, log), answer(name, there), rel_tol=1e-9, abs_tol=1e-12)


def test_every_analysis_is_asked():
    """
    What a topic makes public is an analysis, so that no question escapes these tests.
    """
    modules = (
        import_module(f"{analysis.__name__}.{each.name}")
        for each in iter_modules(analysis.__path__)
    )
    public = {name for module in modules for name in getattr(module, "__all__", ())}

    assert {*ANALYSES} == public


@pytest.mark.parametrize("engine", OTHERS)
def test_answers_stay_on_their_engine(engine, moved):
    """
    A per-entity answer is a lazy frame of the engine that was asked, a summary a Polars frame.
    """
    log = moved("full", engine)

    assert engine == engines.engine_of(analysis.conversation_length(log)).NAME
    assert isinstance(analysis.tool_usage(log), pl.DataFrame)


@pytest.mark.parametrize("engine", OTHERS)
@pytest.mark.parametrize("log", LOGS)
def test_there_and_back(log, engine, moved):
    """
    A log that was moved follows the contract there, and comes back as it was.
    """
    there = moved(log, engine)

    assert engine == there.engine
    assert there is there.to(engine)
    assert there is there.check()
    assert_same(moved(log, "polars"), there)
    assert_same(moved(log, "polars"), there.to("polars").check())


@pytest.mark.parametrize("engine", OTHERS)
def test_the_value_says_the_same(engine, moved):
    """
    Audit, places, explanation and the sizes shown in a notebook do not depend on the engine.
    """
    expected, found = moved("full", "polars"), moved("full", engine)

    assert_frame_equal(expected.audit(), found.audit())
    assert_frame_equal(expected.where("kept"), found.where("kept"))
    assert_frame_equal(expected.explain(), found.explain())
    assert expected._repr_html_() == found._repr_html_()


@pytest.mark.parametrize("engine", ["polars", *OTHERS])
def test_sql(engine, moved):
    """
    A query joins the frames by name, twice in a row, and leaves no table behind.
    """
    log = moved("odd", engine)
    query = """
        select c.user_id, count(*) as n
        from messages m join conversations c on m.conversation_id = c.conversation_id
        group by c.user_id order by n desc, c.user_id
    """

    assert [("u", 8), (None, 3)] == log.sql(query).rows()
    assert [("u", 8), (None, 3)] == log.sql(query).rows()
    with pytest.raises(cd.QueryError, match=r"(?i)rejected"):
        log.sql("select * from rejected")


@pytest.mark.parametrize("engine", ["polars", *OTHERS])
def test_queries_that_fail_quote_nothing(engine, moved):
    """
    A value that does not fit a query is not in the error, on any engine.
    """
    with pytest.raises(cd.QueryError, match="a value does not fit the query") as caught:
        moved("odd", engine).sql("select cast(content as int) from messages")

    assert "naïve" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.spark
def test_sql_puts_views_of_the_session_back(spark, moved):
    """
    A view of the analyst's own that has a frame's name is there again after a query.
    """
    spark.sql("select 42 as n").createOrReplaceTempView("messages")

    assert [(12,)] == moved("odd", "spark").sql("select count(*) from messages").rows()
    assert 42 == spark.sql("select n from messages").first().n
    assert not spark.catalog.tableExists("tool_calls")


def test_sql_reads_what_it_names():
    """
    On Polars a query reads no frame that it does not name.
    """
    read = []
    watched = {
        name: frame.map_batches(lambda rows, name=name: (read.append(name), rows)[1])
        for name, frame in random_chats(1).frames.items()
    }
    from_frames(watched).sql("select count(*) from tool_calls")

    assert {"tool_calls"} == set(read)


@pytest.mark.parametrize("engine", OTHERS)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda log: log.without_text(), id="without text"),
        pytest.param(lambda log: log.pseudonymise(KEY), id="pseudonyms"),
        pytest.param(lambda log: log.pseudonymise(KEY * 4), id="a long key"),
        pytest.param(lambda log: cd.concat(a=log, b=log), id="twice, by name"),
        pytest.param(lambda log: scoped(log, Scope(user_id="ann")), id="one user"),
        pytest.param(
            lambda log: scoped(log, Scope(since=datetime(2025, 3, 10))),  # noqa: DTZ001
            id="since",
        ),
        pytest.param(
            lambda log: scoped(
                log,
                Scope(
                    since=datetime(2025, 3, 5),  # noqa: DTZ001
                    until=datetime(2025, 3, 15, 12, microsecond=1),  # noqa: DTZ001
                    text=False,
                ),
            ),
            id="a window, without text",
        ),
    ],
)
def test_changes_agree(change, engine, moved):
    """
    What changes frames gives on each engine what it gives on Polars, and stays there.
    """
    there = change(moved("full", engine))

    assert engine == there.engine
    assert_same(change(moved("full", "polars")), there)


@pytest.mark.parametrize("engine", OTHERS)
def test_what_breaks_the_contract_is_named(engine, moved, request):
    """
    A broken frame is refused on each engine with the same sentences.
    """
    broken = moved("full", "polars").with_frames(
        messages=moved("full", "polars").messages.with_columns(role=pl.lit("narrator")),
        conversations=moved("full", "polars").conversations.with_columns(
            conversation_id=pl.lit("same")
        ),
    )

    with pytest.raises(cd.SchemaError) as expected:
        broken.check()
    with pytest.raises(cd.SchemaError) as found:
        on(engine, broken, request).check()
    assert expected.value.violations == found.value.violations
    assert 2 == len(found.value.violations)


@pytest.mark.parametrize("engine", ["polars", *OTHERS])
def test_rows_come_in_batches(engine, moved):
    """
    All rows of a frame come, in batches, whatever the engine.
    """
    log = moved("full", engine)
    batches = list(engines.engine(engine).batches(log.messages))
    ids = pl.concat(batches)["message_id"].sort()

    assert in_order(log)["messages"]["message_id"].equals(ids)


def test_frames_of_two_engines_do_not_meet(moved):
    """
    Frames are put together on one engine, and the refusal says how to get there.
    """
    with pytest.raises(cd.EngineError, match=r"polars and duckdb cannot meet; move them with"):
        cd.concat(a=moved("odd", "polars"), b=moved("odd", "duckdb"))


def test_relations_of_two_connections_do_not_meet(moved):
    """
    A relation of a connection of one's own cannot be joined with ours.
    """
    there = moved("odd", "duckdb")
    alien = duckdb.connect().from_arrow(there.messages.to_arrow_table())

    with pytest.raises(cd.EngineError, match="relations of two DuckDB connections cannot meet"):
        cd.concat(a=there, b=there.with_frames(messages=alien))


def test_unknown_engines_are_refused():
    """
    An engine or a frame that is none of ours is named, with those there are.
    """
    with pytest.raises(cd.EngineError, match="'pandas'; there are polars, duckdb, spark"):
        empty().to("pandas")
    with pytest.raises(cd.EngineError, match="found a frame of builtins, expected one of"):
        from_frames({table.name: {} for table in schema.TABLES}).to("polars")
