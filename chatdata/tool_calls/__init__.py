"""The tool-call kernel: an Arrow batch of stored tool-call text in, an Arrow batch of calls out.

Applications store the calls of a message as JSON, as JSON inside JSON, as Python `repr`, wrapped in
an object, as bare names, with a dozen names for the same key. One kernel reads them all, so that
every engine counts the same. It needs pyarrow, msgspec and the standard library, nothing of an
engine, so that a cluster runs the same functions.

What the kernel cannot see from one message is left to its caller: results in other rows, and
whether a database keeps arguments, results or outcomes at all (`status_evidence` and
`status_below` are there for that).
"""

from __future__ import annotations

from chatdata.tool_calls.decode import NOTHING
from chatdata.tool_calls.kernel import (
    NO_CALL_FOR_RESULT,
    NOT_A_CALL,
    NOT_DECODABLE,
    NOT_WRITABLE,
    OUTPUT,
    extract_tool_calls,
    extract_tool_rows,
    results_of_others,
)

__all__ = [
    "NOTHING",
    "NOT_A_CALL",
    "NOT_DECODABLE",
    "NOT_WRITABLE",
    "NO_CALL_FOR_RESULT",
    "OUTPUT",
    "extract_tool_calls",
    "extract_tool_rows",
    "results_of_others",
]
