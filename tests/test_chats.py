"""
`Chats`: five frames as one value, on any engine.
"""

from __future__ import annotations

import polars as pl
import pytest
from chat_rows import chats as made
from chat_rows import said

import chatdata as cd
from chatdata import schema
from chatdata.chats import Finding, empty, from_rows
from chatdata.errors import QueryError


def small():
    """
    Two conversations, three messages, one call, one reject, and copies that count nowhere.
    """
    return from_rows(
        [Finding("app", "messages", "messages", "its name says so")],
        conversations=[
            {"conversation_id": "a", "source": "app-db", "origin": "app"},
            {"conversation_id": "b", "source": "app-db", "origin": "app"},
        ],
        messages=[message("a:1", "a", 0), message("a:2", "a", 1), message("b:1", "b", 0)],
        tool_calls=[
            {
                "tool_call_id": "a:2:0",
                "conversation_id": "a",
                "message_id": "a:2",
                "position": 0,
                "status": "ok",
            }
        ],
        rejects=[{"source": "app-db", "origin": "app", "reason": "not JSON"}],
        accounting=[
            accounted("kept", 5, 3, 1, 40),
            accounted("replayed by a fork", 7, 4, 2, 60),
            accounted("rejected", 1, 0, 0, None),
        ],
    )


def message(key, conversation, position, **values):
    row = {"message_id": key, "conversation_id": conversation, "position": position}
    return row | {"is_main_path": True, "role": "user", "kind": "chat"} | values


def accounted(cause, n_records, n_messages, n_tool_calls, output_tokens):
    return {
        "origin": "app",
        "cause": cause,
        "n_records": n_records,
        "n_messages": n_messages,
        "n_tool_calls": n_tool_calls,
        "output_tokens": output_tokens,
    }


def test_every_frame_is_checked_against_the_contract():
    """
    Frames that follow the contract are returned as they are, empty ones too.
    """
    chats = small()

    assert chats is chats.check()
    assert [table.name for table in schema.TABLES] == list(empty().check().frames)


@pytest.mark.parametrize(
    ("frame", "change", "violation"),
    [
        pytest.param(
            "messages",
            lambda f: f.drop("role"),
            "messages.role: found nothing, expected String",
            id="a column is missing",
        ),
        pytest.param(
            "messages",
            lambda f: f.with_columns(pl.col("position").cast(pl.Int64)),
            "messages.position: found Int64, expected UInt32",
            id="a type is another",
        ),
        pytest.param(
            "messages",
            lambda f: f.with_columns(mood=pl.lit("good")),
            "messages.mood: not in the contract",
            id="a column is too many",
        ),
        pytest.param(
            "messages",
            lambda f: f.select(reversed(schema.MESSAGES.schema.names())),
            "messages: columns are not in the order of the contract",
            id="the order is another",
        ),
        pytest.param(
            "messages",
            lambda f: f.with_columns(message_id=pl.lit("a:1")),
            "messages.message_id: 2 rows repeat a key",
            id="a key repeats",
        ),
        pytest.param(
            "conversations",
            lambda f: f.with_columns(origin=pl.lit(None, pl.String)),
            "conversations.origin: 2 nulls where none is allowed",
            id="a null where none may be",
        ),
        pytest.param(
            "tool_calls",
            lambda f: f.with_columns(status=pl.lit("fine")),
            "tool_calls.status: 1 values other than ok, error, denied, cancelled, timeout,"
            " no_result, unknown",
            id="a word that is not in the list",
        ),
    ],
)
def test_a_broken_rule_is_named(frame, change, violation):
    """
    A frame that breaks the contract raises, with the column and what is wrong with it.
    """
    chats = small()
    broken = chats.with_frames(**{frame: change(chats.frames[frame])})

    with pytest.raises(cd.SchemaError) as raised:
        broken.check()

    assert (violation,) == raised.value.violations


def test_audit_sets_naive_and_certified_side_by_side():
    """
    Causes come with what they would add; certified is what was kept, naive is everything.
    """
    audit = small().audit()

    assert [
        ("replayed by a fork", 7, 4, 2, 60),
        ("kept", 5, 3, 1, 40),
        ("rejected", 1, 0, 0, None),
        ("naive", 13, 7, 3, 100),
        ("certified", 5, 3, 1, 40),
    ] == audit.rows()


def test_audit_without_tokens_has_none():
    """
    A source that records no tokens has null, not 0.
    """
    assert [("naive", 0, 0, 0, None), ("certified", 0, 0, 0, None)] == empty().audit().rows()


def test_sql_sees_the_five_frames():
    """
    A query joins the frames by name and answers in Polars.
    """
    answer = small().sql(
        "select conversation_id, count(*) as n from conversations join messages"
        " using (conversation_id) group by all order by all"
    )

    assert [("a", 2), ("b", 1)] == answer.rows()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("selec 1", "Parser Error: syntax error", id="no SQL"),
        pytest.param("select x from messages", 'Binder Error: Referenced column "x"', id="column"),
        pytest.param("from nowhere", "Catalog Error: Table with name nowhere", id="table"),
        pytest.param("", "found nothing to answer", id="nothing"),
        pytest.param("set threads = 1", "found nothing to answer", id="no rows"),
        pytest.param(
            "select content::int from messages", "Conversion Error: a value does not", id="a cast"
        ),
        pytest.param("select error(content) from messages", "it is not shown", id="words"),
        pytest.param("select strptime(content, '%Y') from messages", "is not shown", id="a time"),
    ],
)
def test_wrong_queries_are_one_line_without_a_value(query, expected):
    """
    A query that fails says why in one line, and never quotes what somebody wrote.
    """
    log = made(messages=said({"role": "user", "content": "the secret is swordfish"}))
    with pytest.raises(QueryError) as caught:
        log.sql(query)

    assert str(caught.value).startswith(expected) or expected in str(caught.value)
    assert "swordfish" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_engines_hold_the_same_frames():
    """
    There and back through DuckDB nothing changes, and the relations can be joined.
    """
    chats = cd.sample(conversations=20)
    there = chats.to("duckdb")
    back = there.to("polars").check()

    for name, frame in chats.frames.items():
        assert frame.collect().equals(back.frames[name].collect())
    joined = there.messages.join(there.tool_calls.set_alias("calls"), "message_id")
    assert chats.tool_calls.collect()["message_id"].count() == len(joined.pl())


def test_collect_reads_once():
    """
    What was collected does not read its source again.
    """
    reads = []
    lazy = small().messages.map_batches(lambda frame: (reads.append(1), frame)[1])
    chats = small().with_frames(messages=lazy).collect()

    assert 3 == chats.messages.collect().height
    assert 3 == chats.messages.collect().height
    assert [1] == reads


def test_explain_lists_what_was_decided():
    """
    Findings come as a frame, in order; without any the frame is empty and still has its columns.
    """
    assert [("app", "messages", "messages", "its name says so")] == small().explain().rows()
    assert ["origin", "subject", "became", "reason"] == empty().explain().columns


def test_a_notebook_is_shown_sizes_and_no_text():
    """
    The value shows itself by the rows of its frames, never by what was said.
    """
    chats = small().with_frames(messages=small().messages.with_columns(content=pl.lit("a secret")))
    shown = chats._repr_html_()

    assert "<td>messages</td><td style='text-align:right'>3</td>" in shown
    assert "Chats(app)" == repr(chats)
    assert "secret" not in shown + repr(chats)


def test_errors_say_where():
    """
    A place is put before the message and kept as attributes.
    """
    error = cd.UnknownFormatError("no known format", source="export.jsonl", line=3)

    assert "export.jsonl:3: no known format" == str(error)
    assert ("export.jsonl", 3) == (error.source, error.line)
    assert "app.db: locked" == str(cd.AccessError("locked", source="app.db"))
    assert issubclass(cd.UnknownFormatError, cd.SourceError)
