"""WildChat: Parquet or JSONL rows `{conversation_hash, model, timestamp, conversation, …}`.

As `lmsys-chat`, with a time, a language and a country in every turn; older releases have
`conversation_id` and no fields of turns. `timestamp` is that of the last turn. `conversation_hash`
is a hash of the content and may repeat. `hashed_ip` is no account: it stays in `extra`.

Gives: models, times. Does not give: users, calls, tokens.
"""

from __future__ import annotations

from chatdata.formats.base import SURE, Evidence, Format, always
from chatdata.formats.lmsys_chat import parse, rows_fit

# One more than the sister format asks for, so that rows which fit both are read as this one.
_MORE_SPECIFIC = 1.1


def _sniff(evidence: Evidence) -> float:
    if not rows_fit(evidence):
        return 0.0
    names = evidence.names if evidence.kind == "columns" else set(evidence.value)
    ours = "conversation_hash" in names or {"timestamp", "toxic"} <= names
    return SURE * _MORE_SPECIFIC if ours else 0.0


FORMAT = Format("wildchat", "WildChat", _sniff, parse, __doc__, always)
