"""Ask the kernel about one message, in the terms of a table of cases."""

from __future__ import annotations

import json

import pyarrow as pa

from chatdata.tool_calls import extract_tool_calls, extract_tool_rows


def stored(value):
    """
    A value as an application stores it: text as it is, anything else as JSON.
    """
    return value if value is None or isinstance(value, str) else json.dumps(value)


def batch(**columns):
    """
    A batch of text columns; each message is named by its place.
    """
    n = len(next(iter(columns.values())))
    arrays = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    return pa.RecordBatch.from_pydict(
        {"message_id": pa.array([str(i) for i in range(n)], pa.string()), **arrays}
    )


def read(value, results=None, inside=None):
    """
    The rows that one message's calls come to, with the results of a column beside them.
    """
    columns = {"text": [stored(value)]}
    if results is not None:
        columns["results"] = [stored(results)]
    return extract_tool_calls(batch(**columns), inside=inside).to_pylist()


def read_row(**columns):
    """
    What one row of a tool table comes to.
    """
    (row,) = extract_tool_rows(batch(**{k: [v] for k, v in columns.items()})).to_pylist()
    return row


def calls(*args, **kwargs):
    """
    The calls among the rows.
    """
    return [row for row in read(*args, **kwargs) if row["outcome"] == "call"]


def wrong(*args, **kwargs):
    """
    What else there is among the rows: "kept", or why a row is malformed.
    """
    rows = read(*args, **kwargs)
    return [row["reason"] or row["outcome"] for row in rows if row["outcome"] != "call"]


def call(*args, **kwargs):
    """
    The only row, which is a call.
    """
    (row,) = read(*args, **kwargs)
    assert row["outcome"] == "call"
    return row
