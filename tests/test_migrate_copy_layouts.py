"""A copy holds what its source held, whatever the layout was."""

from __future__ import annotations

import hashlib
import json

import pytest
from chat_layouts import LAYOUTS, in_column
from chat_tables import build, conversations, messages, table
from copied import FILL, differences
from databases import execute, fetch

from chatdata import migrate
from chatdata.errors import MigrationError

AT = "2025-03-01 10:00:0{}"
CHAT = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT,"
TIMED = f"{CHAT} tool_calls TEXT, created_at TIMESTAMP"
CALLED = '[{"tool": "add_task", "parameters": {"title": "milk"}, "result": {"success": true}}]'
ODD = json.dumps(
    {"tool": "x", "parameters": {"title": 'ü "q" \\ \n 👋'}, "result": "Tool x failed"}
)
CALL = (
    "id INTEGER PRIMARY KEY, message_id INTEGER, conversation_id INTEGER, user_id TEXT,"
    " tool_name TEXT, arguments TEXT, result TEXT, status TEXT, started_at TIMESTAMP,"
    " ended_at TIMESTAMP"
)


def said(*rows, columns=TIMED):
    """
    A conversation of one user, of these (role, text, calls).
    """
    kept = [(n, 1, *row, AT.format(n)) for n, row in enumerate(rows, 1)]
    return conversations((1, "u1", AT.format(0))), messages(*kept, columns=columns)


def log(*rows):
    """
    The same with a table of calls: (message, conversation, user, tool, …).
    """
    rows = [(n, *row) for n, row in enumerate(rows, 1)]
    return *said(("user", "a", None), ("assistant", "b", None)), table("tool_log", CALL, *rows)


def on_two(first, second=None):
    """
    Two messages, of which the first holds a text.
    """
    return said(("assistant", "a", first), ("assistant", "b", second))


SPAN = (AT.format(1), AT.format(3))
MORE = {
    "nothing but what cannot be read": on_two("{broken"),
    "a bad item among calls": on_two(f'[{CALLED[1:-1]}, 5, "", {{"x": 1}}]', CALLED),
    "a bad text with every sign in it": on_two('{"a": "ü \\" \\\\ \n 👋', f"[{ODD}]"),
    "a bad text in a column of another name": in_column("{broken", name="tool_call_results"),
    "texts that say a call failed": on_two(f"[{ODD}]", CALLED),
    "flags and ids and servers": on_two(
        json.dumps(
            [
                {"id": "a", "tool": "x", "server": "files", "arguments": {}, "status": "denied"},
                {"id": "b", "tool": "x", "arguments": [1, 2], "is_error": True, "result": "no"},
                {"id": "c", "tool": "y", "arguments": "not JSON", "status": "timeout"},
                {"id": "d", "tool": "y", "arguments": {"n": 1.50, "big": 12345678901234567890}},
            ]
        )
    ),
    "no arguments anywhere": on_two('[{"tool": "a", "args": {}, "status": "success"}]'),
    "results in messages of their own": said(
        ("assistant", None, '[{"id": "a", "function": {"name": "x", "arguments": "{}"}}]', None),
        ("tool", '{"success": false}', None, "a"),
        ("system", "be kind", None, None),
        columns=f"{CHAT} tool_calls TEXT, tool_call_id TEXT, created_at TIMESTAMP",
    ),
    "a table whose calls ran at a time": log((2, 1, "u1", "x", '{"a":1}', "{}", "ok", *SPAN)),
    "a table of which some calls have no message": log(
        (2, 1, "u1", "x", '{"a":1}', '{"success":true}', "success", *SPAN),
        (None, 1, None, "y", '{"b":2}', None, "failed", None, None),
        (99, 1, "u1", "z", '{"c":3}', '{"success":true}', None, *SPAN),
        (None, None, "u2", "y", '{"d":4}', None, None, None, None),
    ),
    "a table beside what cannot be read": (
        *in_column("pending", declared="TEXT"),
        table("calls", "id INTEGER PRIMARY KEY, message_id INTEGER, tool_name TEXT, args TEXT",
            (1, 2, "x", '{"a":1}')),
    ),
    "somebody else in a conversation": (
        conversations((1, "u1", AT.format(0))),
        messages(
            (1, "u1", 1, "user", "a", None, AT.format(1)),
            (2, "u2", 1, "user", "b", None, AT.format(2)),
        ),
    ),
    "roles of every kind": said(
        *((role, "x", None) for role in ("USER", "bot", "system", "tool", "Role.ASSISTANT", "odd"))
    ),
    "times with and without a zone": (
        conversations((1, "u1", "2025-03-01T10:00:00Z"), (2, "u1", "2025-03-01")),
        messages(
            (1, "u1", 1, "user", "", None, "2025-03-01T10:00:00.5+05:00"),
            (2, "u1", 1, "user", None, None, "2025-03-01 10:00"),
        ),
    ),
}  # fmt: skip
EVERY = {name: tables for name, (tables, _calls) in LAYOUTS.items()} | MORE
UNTIMED = {"no ids and no keys", "names with quotes, spaces and letters beyond ASCII"}


@pytest.mark.parametrize("name", EVERY)
def test_every_layout_arrives_whole(tmp_path, name):
    """
    The frames of a copy are those of its source, but for ids and what ours have no column for.
    """
    source, target = (f"sqlite:///{tmp_path / file}" for file in ("source.db", "target.db"))
    build(source, *EVERY[name])
    if name in UNTIMED:
        with pytest.raises(MigrationError, match=r"conversations\.created_at"):
            migrate.copy(source, target, fill=FILL)
        return
    migrate.copy(source, target, fill=FILL)

    assert [] == differences(source, target)


FROM_SERVER = (
    "flags and ids and servers",
    "a bad text with every sign in it",
    "results in messages of their own",
    "a table of which some calls have no message",
)


@pytest.mark.parametrize("name", FROM_SERVER)
def test_between_the_databases(tmp_path, postgres, name):
    """
    It makes no difference on which side PostgreSQL is.
    """
    file = f"sqlite:///{tmp_path / 'source.db'}"
    build(file, *EVERY[name])
    server, back = postgres(), f"sqlite:///{tmp_path / 'back.db'}"
    migrate.copy(file, server, fill=FILL)
    migrate.copy(server, back)

    assert [] == differences(file, server)
    assert [] == differences(server, back)


NATIVE = r"""
CREATE TYPE speaker AS ENUM ('USER', 'ASSISTANT');
CREATE TABLE "user" (
  id uuid PRIMARY KEY, email text, name text, "createdAt" timestamptz, "updatedAt" timestamptz);
CREATE TABLE conversation (
  id uuid PRIMARY KEY, user_id uuid REFERENCES "user" (id), created_at timestamptz,
  updated_at timestamptz);
CREATE TABLE message (
  id uuid PRIMARY KEY, conversation_id uuid REFERENCES conversation (id), role speaker,
  content text, tool_calls jsonb, created_at timestamptz);
INSERT INTO "user" VALUES ('0a0b0c0d-0e0f-4041-8283-848586878889', 'a@x', 'Ada',
  '2025-01-01 00:00+05', '2025-01-02 00:00+05');
INSERT INTO conversation
  SELECT 'aaaaaaaa-0e0f-4041-8283-848586878889', id, "createdAt", now() FROM "user";
INSERT INTO message
  SELECT gen_random_uuid(), id, 'USER', E'a\n\\.\n"b",', 'null', created_at + interval '1 s'
  FROM conversation;
INSERT INTO message
  SELECT gen_random_uuid(), id, 'ASSISTANT', '',
    '{"calls": [{"tool_name": "a", "args": {"z": 1, "b": 2}}]}', created_at + interval '2 s'
  FROM conversation;
"""


@pytest.mark.parametrize("server", ["postgres", "postgres_16"])
def test_native_types_of_postgres(request, server):
    """
    Uuids, enumerations, JSONB and times with a zone become the texts and times of ours.
    """
    new_database = request.getfixturevalue(server)
    source, target = new_database(), new_database()
    execute(source, NATIVE)
    migrate.copy(source, target)

    assert [] == differences(source, target)
    assert [("a@x", "2024-12-31 19:00:00")] == fetch(
        target, "SELECT email, created_at::text FROM users"
    )


REFUSED = {
    "cohere_double_encoded_json": "email name created_at updated_at",
    "json_dict_calls_tool_args_expiring": "email name created_at updated_at",
    "json_list_tool_args_empty_list": "updated_at",
    "json_list_tool_status_names_only_results_column": "email name created_at updated_at",
    "json_list_toolname_arguments_result_systemrole": "name updated_at",
    "no_tool_columns_int_ids": "updated_at",
    "python_repr_text_with_type_and_sequence": "email name created_at updated_at",
    "soft_delete_uuid_conversation_int_message": "updated_at",
    "toolcall_table_status_sequence": "updated_at",
    "uuidhex_enumname_text_tool_arguments_result": "email name created_at updated_at",
}
"""Samples without a user table, or whose users lack what ours must have."""


def test_every_sample_arrives_whole(samples, tmp_path):
    """
    Every layout that exists arrives whole or is refused by the columns that it lacks, and then the
    command that the refusal names brings it whole; its file stays byte for byte.
    """
    refused = {}
    for file in sorted((samples / "app-databases").glob("*.sqlite")):
        before = hashlib.sha256(file.read_bytes()).hexdigest()
        source, target = f"sqlite:///{file}", tmp_path / file.name
        told = {}
        if file.stem in REFUSED:
            with pytest.raises(MigrationError, match="may not be null") as error:
                migrate.copy(source, f"sqlite:///{target}")
            told = dict(word.split("=") for word in error.value.then.split() if "=" in word)
            refused[file.stem] = " ".join(key.removeprefix("users.") for key in told)
            assert (3, False) == (error.value.exit_code, target.exists())
        migrate.copy(source, f"sqlite:///{target}", fill=told)

        assert [] == differences(source, f"sqlite:///{target}")
        assert before == hashlib.sha256(file.read_bytes()).hexdigest()
    assert refused == REFUSED


def test_a_copy_of_every_sample_gives_its_truth(samples, tmp_path):
    """
    What is counted in a copy are the figures that the sample's own truth gives.
    """
    truth = json.loads((samples / "app-databases" / "truth.json").read_text())
    for name, expected in truth.items():
        target = f"sqlite:///{tmp_path / name}.db"
        migrate.copy(f"sqlite:///{samples / 'app-databases' / name}.sqlite", target, fill=FILL)
        counted = {
            key: fetch(target, f"SELECT count(*) FROM {key}")[0][0]
            for key in ("users", "conversations", "messages", "tool_calls")
        }
        by_tool = dict(fetch(target, "SELECT tool_name, count(*) FROM tool_calls GROUP BY 1"))

        assert {key: expected[key] for key in counted} == counted
        assert expected["calls_by_tool"] == by_tool
