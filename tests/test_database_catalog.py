"""What a database says of its tables, columns and keys, and how a column is read."""

from __future__ import annotations

import pytest

from chatdata.database.catalog import Column, Table


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tool_calls", "tool_calls"),
        ("toolCalls", "tool_calls"),
        ("ToolCalls", "tool_calls"),
        ("TOOL_CALLS", "tool_calls"),
        ("conversationID", "conversation_id"),
        ("JSONText", "json_text"),
        ("user id", "user_id"),
        ("user-id", "user_id"),
        ("metadata_", "metadata"),
        ("_id", "id"),
        ("seq2Id", "seq2_id"),
    ],
)
def test_plain_names(name, expected):
    """
    Names are compared in lower snake case.
    """
    assert expected == Column(name, "TEXT").plain


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        *((t, "integer") for t in ("INTEGER", "int", "BIGINT", "SmallInt", "INT8", "TINYINT(1)")),
        *((t, "integer") for t in ("UNSIGNED BIG INT", "serial", "bigserial", "mediumint", "int4")),
        *((t, "real") for t in ("REAL", "double precision", "FLOAT")),
        *((t, "boolean") for t in ("BOOLEAN", "bool")),
        *((t, "time") for t in ("DATETIME", "timestamp", "timestamp without time zone")),
        *((t, "instant") for t in ("TIMESTAMP WITH TIME ZONE", "timestamptz")),
        *((t, "json") for t in ("JSON", " jsonb ")),
        *(
            (t, "text")
            for t in ("", "TEXT", "VARCHAR(20)", "CHAR(32)", "uuid", "POINT", "interval")
        ),
        *((t, "text") for t in ("DATE", "NUMERIC(10, 2)", "jsonpath", "userrole")),
    ],
)
def test_kinds(declared, kind):
    """
    A column is read by what it is declared as, and as text where that says nothing.
    """
    assert kind == Column("x", declared).kind


def test_finding_columns():
    """
    The first of the wanted names decides, then the first column of that name.
    """
    first, second, other = Column("userId", ""), Column("user_id", ""), Column("ID", "")
    table = Table("t", (first, second, other))

    assert first is table.find("user_id", "id")
    assert other is table.find("id", "user_id")
    assert None is table.find("uuid")
    assert second is table.column("user_id")
    assert None is table.column("id")
