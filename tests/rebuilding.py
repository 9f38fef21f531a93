"""Records of a log put together again from the frames: what a reader lost shows as a difference.

The frames keep a record once: what columns tell, `extra` does not repeat. Each rule here is written
from that promise alone and knows nothing of the readers: columns that are not null, and on top of
them the keys of `extra`. Images and other bytes are compared by what identifies them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC

NOTES = frozenset({"decode", "id_key", "messages_key", "paired_by", "results", "versions"})


class Conversation:
    """
    One row of the conversations, with its messages and their calls, every `extra` decoded.
    """

    def __init__(self, row, messages, calls):
        self.row = row
        self.extra = row["extra"]
        self.messages = messages
        self.calls = calls
        self.answered = defaultdict(list)
        for call in [*calls, *(call for message in messages for call in message["calls"])]:
            for id_ in (call["result_message_id"], *call["extra"].get("other_results", ())):
                self.answered[id_].append(call)


def conversations(chats):
    """
    Give every conversation of a `Chats`, in order.
    """
    calls, messages = defaultdict(list), defaultdict(list)
    for row in _rows(chats.tool_calls):
        calls[row["conversation_id"], row["message_id"]].append(row)
    for row in _rows(chats.messages):
        row["calls"] = calls.pop((row["conversation_id"], row["message_id"]), [])
        messages[row["conversation_id"]].append(row)
    return [
        Conversation(row, messages[id_], calls[id_, None])
        for row in _rows(chats.conversations)
        for id_ in [row["conversation_id"]]
    ]


def _rows(frame):
    for row in frame.collect().iter_rows(named=True):
        row["extra"] = json.loads(row["extra"]) if row["extra"] else {}
        yield row


def told(**columns):
    """
    Keep the columns that say something.
    """
    return {key: value for key, value in columns.items() if value is not None}


def rest(extra, *notes):
    """
    Leave out what a reader noted about a record, beside the record's own keys.
    """
    return {key: value for key, value in extra.items() if key not in NOTES and key not in notes}


def whole(columns, extra, *notes):
    """
    Put a record together: its columns, without keys that the log lacked, and what they do not tell.
    """
    missing = extra.get("absent", ())
    present = {key: value for key, value in columns.items() if key not in missing}
    return present | rest(extra, "absent", *notes)


def moment(row, column="created_at", precision=None, zone="Z"):
    """
    Spell a time as ISO text.
    """
    if row[column] is None:
        return None
    precision = precision or row["created_at_precision"]
    digits = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}
    if precision == "day":
        return row[column].date().isoformat()
    return row[column].isoformat(timespec=digits[precision]) + zone


def number(row, column="created_at"):
    """
    Give a time as seconds or milliseconds since 1970.
    """
    if row[column] is None:
        return None
    seconds = row[column].replace(tzinfo=UTC).timestamp()
    scale = {"s": 1, "ms": 1000, "us": None}[row["created_at_precision"]]
    return seconds if scale is None else round(seconds * scale)


class Text:
    """
    Text of which pieces are taken from the front; they were joined by line ends.
    """

    def __init__(self, text):
        self.text = text or ""
        self.at = 0

    def take(self, n_chars):
        piece = self.text[self.at : self.at + n_chars]
        self.at += n_chars + 1
        return piece


def refilled(value, *texts):
    """
    Put texts back where only their lengths stand, the first text for keys of speech, the second
    for those of thought.
    """
    said, thought = texts if len(texts) == 2 else (texts[0], None)
    if isinstance(value, list):
        return [refilled(item, said, thought) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"n_chars"}:
        return said.take(value["n_chars"])
    thinks = value.get("type") in ("thinking", "reasoning")
    return {
        key: refilled(item, thought if thinks else said, thought) for key, item in value.items()
    }


def arguments(call, note="arguments"):
    """
    Give a call's arguments as the log held them: text, or (noted) the value that it spells.
    """
    raw = call["arguments_raw"]
    return json.loads(raw) if raw is not None and call["extra"].get(note) == "value" else raw


def with_claimed(content, claimed):
    """
    Put calls and results back where only their type (and which call they answer) is left.
    """
    waiting = iter(claimed)
    return [
        next(waiting) if isinstance(part, dict) and "claimed" in part else part for part in content
    ]
