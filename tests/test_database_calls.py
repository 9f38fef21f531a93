"""Where calls are kept, how they are read, and how they ended, layout by layout."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from chat_tables import column, conversations, extras, messages, rows, table

from chatdata.database import read

T = "2025-03-01 10:00:0{}.000000"
AT = T.format(1)
CALL = json.dumps([{"tool": "add_task", "parameters": {"title": "milk"}}])
SIMPLE = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT"
LOG = "id INTEGER PRIMARY KEY, tool_name TEXT, arguments TEXT"


@pytest.mark.parametrize(
    ("columns", "stored", "n_calls"),
    [
        ("tool_calls TEXT, tool_call_results TEXT", (CALL, CALL + "x"), 1),
        ("tool_calls TEXT, tool_call_results TEXT", ("[]", CALL), 1),
        ("tool_calls TEXT, metadata TEXT", (None, json.dumps({"tool_calls": ["a", "b"]})), 2),
        ("metadata_json TEXT, metadata TEXT", ('{"a": 1}', json.dumps({"tool_calls": ["b"]})), 1),
        ("tool_calls TEXT, tool_used TEXT", ("null", "add_task"), 1),
        ("tool_calls TEXT, tool_used TEXT", ("not a list", "add_task"), 1),
        ("metadata TEXT, tool_used TEXT", ("{broken tool_calls", "add_task"), 1),
        ("tool_calls TEXT, tool_calls_count INTEGER", (None, 2), 0),
    ],
)
def test_the_first_place_that_holds_calls(scanned, columns, stored, n_calls):
    """
    Calls are read from the first place that holds any, and counted once.
    """
    chats = scanned(messages((1, 1, "user", "a", *stored), columns=f"{SIMPLE}, {columns}"))

    assert n_calls == chats.tool_calls.collect().height


@pytest.mark.parametrize("stored", ["not a list", "[ResponseFunctionToolCall(id='a')]", "[1, {}]"])
def test_malformed_text(scanned, stored):
    """
    Text that is no list of calls is kept as it is, and rejected without being quoted.
    """
    chats = scanned(messages((5, 1, "user", "a", stored), columns=f"{SIMPLE}, tool_calls TEXT"))
    rejected = chats.rejects.collect()

    assert [{"tool_calls": stored}] == extras(chats.messages)
    assert {("app-db", "app.db", "app.db/messages", 5)} == set(
        rejected.select("source", "origin", "path", "record").rows()
    )
    assert not any(stored in reason for reason in rejected["reason"])
    assert 0 == chats.tool_calls.collect().height


def test_good_items_beside_a_bad_one(scanned):
    """
    A bad item is rejected and its neighbours are calls.
    """
    stored = '[{"tool": "a"}, 5, {"tool": "b"}]'
    chats = scanned(messages((1, 1, "user", "a", stored), columns=f"{SIMPLE}, tool_calls TEXT"))

    assert [("a", 0), ("b", 1)] == rows(chats.tool_calls, "name", "position")
    assert 1 == chats.rejects.collect().height
    assert [{"tool_calls": stored}] == extras(chats.messages)


@pytest.mark.parametrize("beside", ["[]", CALL])
def test_a_number_of_calls_is_no_list_of_calls(scanned, beside):
    """
    A count in place of the list is kept, and neither a call nor an error.
    """
    said = [(n, 1, "user", "a", text) for n, text in enumerate(('{"tool_calls": 2}', beside))]
    chats = scanned(messages(*said, columns=f"{SIMPLE}, tool_calls TEXT"))

    assert [{"tool_calls": '{"tool_calls": 2}'}, {}] == extras(chats.messages)
    assert 0 == chats.rejects.collect().height
    assert [("kept", 2, 2, int(beside == CALL))] == rows(
        chats.accounting, "cause", "n_records", "n_messages", "n_tool_calls"
    )


def test_a_table_beside_a_column(scanned):
    """
    Where a column and a table both hold the calls, the column is the truth and the table a mirror.
    """
    mirror = table(
        "tool_calls", f"{LOG}, message_id INTEGER", *((n, "add_task", "{}", 1) for n in (1, 2))
    )
    chats = scanned(
        messages((1, 1, "user", "a", CALL), columns=f"{SIMPLE}, tool_calls TEXT"), mirror
    )  # fmt: skip

    assert ["1:0"] == column(chats.tool_calls, "tool_call_id")
    assert [
        ("app.db/messages", "kept", 1, 1, 1),
        ("app.db/tool_calls", "mirrored", 2, 0, 2),
    ] == rows(
        chats.accounting, "path", "cause", "n_records", "n_messages", "n_tool_calls", by="path"
    )
    assert "second copy" in chats.explain()["reason"].str.join("\n").item()


def test_a_table_beside_a_column_without_calls(scanned):
    """
    A column that holds only what cannot be read does not hide the table of calls.
    """
    chats = scanned(
        messages((1, 1, "user", "a", "not a list"), columns=f"{SIMPLE}, tool_calls TEXT"),
        table("tool_calls", f"{LOG}, message_id INTEGER", (3, "add_task", '{"a":1}', 1)),
    )

    assert [("tool_calls:3", "1", "1")] == rows(
        chats.tool_calls, "tool_call_id", "message_id", "conversation_id"
    )
    assert ["app.db/messages"] == column(chats.rejects, "path")
    assert 2 == chats.accounting.collect().filter(cause="kept")["n_records"].sum()


@pytest.mark.parametrize(
    ("columns", "stored", "expected"),
    [
        pytest.param("message_id INTEGER", 2, ("2", "1", {}), id="linked"),
        pytest.param("message_id TEXT", "2", ("2", "1", {}), id="linked by text"),
        pytest.param("message_id INTEGER", None, (None, "log#log", {}), id="not linked"),
        pytest.param("message_id INTEGER", 9, ("9", "log#log", {"orphan": True}), id="an orphan"),
        pytest.param("session_id INTEGER", 1, (None, "1", {}), id="by the session alone"),
        pytest.param("session_id INTEGER", None, (None, "log#log", {}), id="by nothing"),
        pytest.param("call_id TEXT", "c1", (None, "log#log", {}), id="with its own call id"),
        pytest.param("agent TEXT", "x", (None, "log#log", {"agent": "x"}), id="without any key"),
    ],
)
def test_links_of_a_table_of_calls(scanned, columns, stored, expected):
    """
    A call keeps what links it has; a missing message is marked, and no link is guessed.
    """
    log = table("log", f"{LOG}, {columns}", (7, "add_task", '{"a":1}', stored))
    chats = scanned(conversations((1, "u", AT)), messages((2, 1, "user", "a"), columns=SIMPLE), log)
    found = chats.tool_calls.collect()

    assert expected == (found["message_id"].item(), found["conversation_id"].item(),
                        *extras(chats.tool_calls))  # fmt: skip
    native = stored if columns.startswith("call_id") else "7"
    assert [("log:7", native, 0)] == rows(chats.tool_calls, "tool_call_id", "native_id", "position")
    assert ["1"] == column(chats.conversations, "conversation_id")


def test_results_in_messages_of_role_tool(scanned):
    """
    A message of role tool answers the call that it names, in its own conversation.
    """
    calls = json.dumps([{"id": f"c{n}", "name": f"t{n}", "arguments": '{"a":1}'} for n in range(3)])
    columns = f"{SIMPLE}, tool_calls TEXT, tool_call_id TEXT"
    chats = scanned(
        messages(
            (1, 1, "assistant", None, calls, None),
            (2, 1, "tool", '{"success": true}', None, "c0"),
            (3, 1, "tool", "Error: no", None, "c1"),
            (4, 1, "tool", "once more", None, "c0"),
            (5, 2, "tool", "elsewhere", None, "c2"),
            columns=columns,
        )
    )

    assert [
        ("t0", '{"success":true}', "2", "ok", None, {}),
        ("t1", "Error: no", "3", "error", None, {"status_evidence": "text"}),
        ("t2", None, None, "no_result", None, {}),
    ] == [
        (*row, extra)
        for row, extra in zip(
            rows(chats.tool_calls, "name", "result", "result_message_id", "status", "error_source"),
            extras(chats.tool_calls),
            strict=True,
        )
    ]
    assert 4 == chats.messages.collect().filter(kind="tool_result").height


@pytest.mark.parametrize(
    ("columns", "stored", "status", "source"),
    [
        ("status TEXT", "SUCCESS", "ok", None),
        ("status TEXT", "Status.FAILED", "error", "explicit"),
        ("status TEXT", "denied", "denied", None),
        ("status TEXT", "timeout", "timeout", "explicit"),
        ("status TEXT", "pending", "no_result", None),
        ("success BOOLEAN", 0, "error", "explicit"),
        ("success BOOLEAN", 1, "ok", None),
        ("success TEXT", "False", "error", "explicit"),
        ("is_error INTEGER", 1, "error", "explicit"),
        ("error TEXT", "no such task", "error", "explicit"),
        ("error TEXT", None, "unknown", None),
        ("result TEXT", '{"success": false}', "error", "explicit"),
        ("result TEXT", '{"error": null}', "unknown", None),
        ("result TEXT", "Tool t failed: x", "error", None),
        ("result TEXT", "{}", "unknown", None),
    ],
)
def test_status_of_a_table_of_calls(scanned, columns, stored, status, source):
    """
    A call's status is what its row or its result says, and words alone blame nobody.
    """
    log = table("log", f"{LOG}, {columns}", (1, "t", '{"a":1}', stored))
    chats = scanned(messages((1, 1, "user", "a"), columns=SIMPLE), log)

    assert [(status, source)] == rows(chats.tool_calls, "status", "error_source")


def test_words_of_a_status_that_say_nothing(scanned):
    """
    A status word that is none of the known ones is kept; a known one is said by the status.
    """
    stored = (("partial", None), ("SUCCESS", None), ("partial", 0), (None, None))
    log = table("log", f"{LOG}, status TEXT, success BOOLEAN",
                *((n, "t", '{"a":1}', *row) for n, row in enumerate(stored)))  # fmt: skip
    chats = scanned(messages((1, 1, "user", "a"), columns=SIMPLE), log)

    assert ["unknown", "ok", "error", "unknown"] == column(chats.tool_calls, "status")
    assert [{"status": "partial"}, {}, {"status": "partial"}, {}] == [
        {name: value for name, value in extra.items() if name == "status"}
        for extra in extras(chats.tool_calls)
    ]


def test_times_of_a_table_of_calls(scanned):
    """
    A call has a span only where both its ends are stored, or its end and its duration.
    """
    columns = f"{LOG}, created_at TEXT, started_at TEXT, completed_at TEXT, duration_ms REAL"
    stored = [(None, AT, T.format(3), None), (None, None, T.format(3), 1500), (AT, None, None, 5),
              (None, AT, None, 5), (None, None, AT, None)]  # fmt: skip
    log = table("log", columns, *((n, "t", '{"a":1}', *row) for n, row in enumerate(stored)))
    chats = scanned(messages((1, 1, "user", "a"), columns=SIMPLE), log)

    assert [2_000_000, 1_500_000, None, None, None] == [
        None if end is None else (end - start).total_seconds() * 1e6
        for start, end in rows(chats.tool_calls, "started_at", "ended_at")
    ]
    assert {"created_at": AT, "duration_ms": 5.0} == extras(chats.tool_calls)[2]


def test_arguments_that_nobody_stores(scanned):
    """
    Where every call says `{}`, the application does not store arguments: they are unknown.
    """
    stored = json.dumps([{"tool": "a", "arguments": {}, "result": {}, "status": "success"}])
    chats = scanned(messages((1, 1, "user", "a", stored), columns=f"{SIMPLE}, tool_calls TEXT"))

    assert [("{}", None, None, None, "unknown")] == rows(
        chats.tool_calls, "arguments_raw", "arguments", "arguments_status", "result", "status"
    )


def test_empty_arguments_among_others(scanned):
    """
    Where some call has arguments, `{}` means that there are none.
    """
    stored = json.dumps([{"tool": "a", "args": {}}, {"tool": "b", "args": {"c": 1}}, {"tool": "d"}])
    chats = scanned(messages((1, 1, "user", "a", stored), columns=f"{SIMPLE}, tool_calls TEXT"))

    assert [("{}", "ok"), ('{"c":1}', "ok"), (None, None)] == rows(
        chats.tool_calls, "arguments", "arguments_status"
    )


def test_a_result_that_matches_no_call_stays_with_its_message(tmp_path):
    """
    A result beside a call of another id is rejected, and kept in the message's extra; one that
    found its call is not kept twice.
    """
    path = tmp_path / "app.db"
    call = '[{"id": "c1", "name": "add", "arguments": {"a": 1}}]'
    found, lost = (
        json.dumps([{"tool_call_id": name, "result": {"n": 7}}]) for name in ("c1", "c9")
    )
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE TABLE messages (id INTEGER PRIMARY KEY, conversation_id INT, role TEXT,"
            " content TEXT, tool_calls TEXT, tool_results TEXT)"
        )
        connection.executemany(
            "INSERT INTO messages VALUES (?, 1, 'assistant', 'ok', ?, ?)",
            [(1, call, found), (2, call, lost)],
        )
        connection.commit()
    chats = read(path)
    kept = chats.messages.sort("position").collect()["extra"].to_list()

    assert 2 == chats.tool_calls.collect().height
    assert 1 == chats.rejects.collect().height
    assert kept[0] is None
    assert lost == json.loads(kept[1])["tool_results"]


OURS = (
    "id INTEGER PRIMARY KEY, user_id TEXT, conversation_id INTEGER, message_id INTEGER,"
    " position INTEGER, native_id TEXT, tool_name TEXT, arguments TEXT, arguments_status TEXT,"
    " result TEXT, status TEXT, error_source TEXT, started_at TIMESTAMP, ended_at TIMESTAMP"
)


def test_our_own_table_beside_a_column(scanned):
    """
    Where our migrations filled the table, it adds the calls without a message, and when calls ran.
    """
    at = ("2025-03-01 10:00:01", "2025-03-01 10:00:03")
    ours = table(
        "tool_calls",
        OURS,
        (1, "u", 1, 1, 0, None, "add_task", "{}", "ok", None, "unknown", None, *at),
        (2, "u", 1, None, 0, "c9", "log", '{"a":1}', "ok", None, "no_result", None, None, None),
    )
    chats = scanned(
        messages((1, 1, "user", "a", CALL), columns=f"{SIMPLE}, tool_calls TEXT"), ours
    )  # fmt: skip
    calls = chats.tool_calls.sort("tool_call_id").collect()

    assert [("1:0", "1", "1"), ("tool_calls:2", None, "c9")] == [
        (key, message, native if message is None else "1")
        for key, message, native in calls.select("tool_call_id", "message_id", "native_id").rows()
    ]
    assert [True, False] == calls["started_at"].is_not_null().to_list()
    assert [
        ("app.db/messages", "kept", 1),
        ("app.db/tool_calls", "kept", 1),
        ("app.db/tool_calls", "mirrored", 1),
    ] == sorted(rows(chats.accounting, "path", "cause", "n_records"))


def test_calls_of_two_eras(scanned):
    """
    Older calls in a column and newer ones in a table all count; what both have counts once, also
    where the table names the prompt that the call is about.
    """
    columns = "id INTEGER PRIMARY KEY, message_id INTEGER, tool_name TEXT, arguments TEXT"
    chats = scanned(
        messages(
            (1, 1, "user", "a", None),
            (2, 1, "assistant", "b", CALL),
            (3, 2, "assistant", "c", None),
            (4, 1, "assistant", "d", None),
            columns=f"{SIMPLE}, tool_calls TEXT",
        ),
        table(
            "tool_calls",
            columns,
            (1, 1, "add_task", '{"title": "milk"}'),
            (2, 2, "add_task", "{}"),
            (3, 3, "add_task", "{}"),
            (4, 4, "list_tasks", "{}"),
        ),
    )

    assert ["2:0", "tool_calls:3", "tool_calls:4"] == sorted(
        chats.tool_calls.collect()["tool_call_id"]
    )
    assert [("kept", 2), ("mirrored", 2)] == sorted(
        row[1:]
        for row in rows(chats.accounting, "path", "cause", "n_records")
        if row[0].endswith("tool_calls")
    )
