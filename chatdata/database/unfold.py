"""Texts that are lists of parts: the words in them, the calls, and the results that they bring.

Applications store what a model's API gave them: blocks of Anthropic, parts of OpenAI, of the
Vercel SDK, of Gemini or of Bedrock. Such a text is read as the message that it is. What its parts
say beside words, calls and results stays in `extra`, under the name of the column. In a column of
JSON a message that is nothing but words is a JSON string, and stands for them. A text may also be
the whole message that the API takes, beside a column that says who speaks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from chatdata.database.calls import CallSource, read_calls
from chatdata.database.values import joined, json_object
from chatdata.formats import bedrock_parts, blocks, chat_message, gemini_api, vercel_ai
from chatdata.formats.base import UNEXPECTED
from chatdata.formats.records import encode
from chatdata.formats.rows import ROLES

if TYPE_CHECKING:
    from chatdata.database.extract import Raw
    from chatdata.formats.rows import Call, Message

LIKE_LIST = "[%{%"
"""A pattern of SQL that every list of objects has."""
LIKE = tuple(f'%"{key}"%:%' for key in ("type", "text", "function%", "toolUse", "toolResult"))
"""Patterns of which every list of parts has one, and little else."""
LIKE_MESSAGE = '{%"role"%:%'
"""A pattern of SQL that every whole message has."""
LIKE_TEXT = '"%'
"""A pattern of SQL that every JSON string has."""
RESULTS = pl.List(pl.Struct({"native_id": pl.String, "text": pl.String, "status": pl.String}))
"""The results that a message brings to calls of others."""
SCHEMA: dict[str, pl.DataType] = {
    "_row": pl.UInt32(),
    "content": pl.String(),
    "reasoning": pl.String(),
    "shape": pl.String(),
    "only_results": pl.Boolean(),
    "calls": pl.String(),
    "_results": RESULTS,
}
_KINDS = frozenset(
    {"text", "input_text", "output_text", "refusal", "reasoning", "thinking", "redacted_thinking"}
    | {"image", "image_url", "input_image", "input_audio", "audio", "file", "input_file"}
    | {"document", "search_result", "source-url", "source-document"}
    | {"tool_call", "dynamic-tool", "step-start"}
)
_OF_MESSAGES = frozenset(
    {"role", "content", "parts", "tool_calls", "tool_call_id", "name", "id", "function_call"}
    | {"refusal", "audio", "annotations", "reasoning_content"}
)
_NESTED = {
    "text": ("text", {"text": "text"}),
    "reasoning": ("thinking", {"thinking": "thinking"}),
    "tool_call": ("tool_use", {"id": "id", "name": "name", "input": "input"}),
    "tool_result": (
        "tool_result",
        {"tool_call_id": "tool_use_id", "content": "content", "is_error": "is_error"},
    ),
}
"""Parts of Crush as blocks of Anthropic."""
_STREAMED = frozenset({"dynamic-tool", "step-start", "tool-invocation"})


def unfolded(
    texts: pl.Series, *, is_json: bool = False, beside_role: bool = False
) -> tuple[pl.DataFrame, int]:
    """Read the texts that are lists of parts.

    Args:
        texts: of messages.
        is_json: whether strings of JSON are read too: the column is one of JSON.
        beside_role: whether whole messages are read too: another column says who speaks.

    Returns:
        One row (`SCHEMA`) for each, `_row` its place; and how many are lists of parts, or messages,
        that could not be read.
    """
    rows: list[tuple[Any, ...]] = []
    n_unread = 0
    # Most texts are neither, and their first letter says so.
    letters = ["[", *(['"'] if is_json else []), *(["{"] if beside_role else [])]
    places = _begins(texts, *letters).arg_true()
    for place, text in zip(places.to_list(), texts.gather(places).to_list(), strict=True):
        if text[0] == "{" and '"role"' not in text:
            continue
        found = _decoded(text)
        if isinstance(found, str):
            rows.append((place, found, None, None, False, None, None))
        elif (beside_role and _is_message(found)) or _is_list_of_parts(found):
            try:
                rows.append((place, *_fields(_message(found))))
            except UNEXPECTED:
                n_unread += 1
    return pl.DataFrame(rows, schema=SCHEMA, orient="row"), n_unread


@dataclass(frozen=True)
class Opened:
    """Rows of messages with the words of lists of parts in the place of these.

    Attributes:
        stored: the rows.
        said: what the lists say (`SCHEMA`), with the `_column` that they are kept under.
        n_unread: how many could not be read.
    """

    stored: pl.DataFrame
    said: pl.DataFrame
    n_unread: int


def opened_up(stored: pl.DataFrame, raw: Raw) -> Opened:
    """Read the texts that are lists of parts, and the lists that stand beside texts.

    A text goes before the words of the list beside it; where the two differ, the list stays whole.
    """
    columns = raw.binding.columns
    content, listed = columns["content"], columns.get("parts")
    text, beside = (
        _texts(stored, raw, *names) for names in (("content", "parts"), ("parts", "beside"))
    )
    is_json = content.kind == "json"
    is_beside = pl.repeat(value=False, n=stored.height, eager=True)
    asked = text
    if listed is not None:
        is_beside = _begins(beside, "[") & ~_begins(text, "[", *(['"'] if is_json else []))
        asked = text.zip_with(~is_beside, beside)
    said, n_unread = unfolded(asked, is_json=is_json, beside_role="role" in columns)
    if said.is_empty():
        return Opened(stored, said.with_columns(_column=pl.lit(content.name)), n_unread)
    place = said["_row"]
    own = is_beside.gather(place)
    is_empty = (_size(stored, text) == 0).gather(place)
    differs = own & ~is_empty & said["content"].ne_missing(text.gather(place))
    put = _put_in(stored, raw.named(content), said.filter(is_empty | ~own))
    if listed is not None and (name := raw.named(listed)) is not None:
        read = pl.int_range(pl.len(), dtype=pl.UInt32).is_in(place.filter(own & ~differs).implode())
        put = put.with_columns(pl.when(~read).then(name).alias(name))
    under = pl.when(own).then(pl.lit((listed or content).name)).otherwise(pl.lit(content.name))
    told = {
        "shape": pl.when(~differs).then("shape"),
        "only_results": pl.col("only_results") & (~own | is_empty),
    }
    return Opened(put, said.with_columns(_column=under, **told), n_unread)


def _begins(texts: pl.Series, *letters: str) -> pl.Series:
    """Say which texts begin with one of these letters."""
    return reduce(or_, map(texts.str.starts_with, letters)).fill_null(value=False)


def _texts(stored: pl.DataFrame, raw: Raw, what: str, told: str) -> pl.Series:
    """Give what may be lists of parts, also where no text is to be kept."""
    texts = stored[told] if told in stored.columns else raw.part(stored, what)
    return texts.cast(pl.String)


def _size(stored: pl.DataFrame, text: pl.Series) -> pl.Series:
    size = stored["n_chars"] if "n_chars" in stored.columns else text.str.len_bytes()
    return size.cast(pl.Int64, strict=False).fill_null(0)


def _put_in(stored: pl.DataFrame, content: str | None, said: pl.DataFrame) -> pl.DataFrame:
    """Put the words in the place of the lists, and their sizes."""
    row = pl.int_range(pl.len(), dtype=pl.UInt32).alias("_row")
    found = stored.select(row).join(
        said.select("_row", _words="content", _is_list=True), on="_row", how="left"
    )
    is_list = found["_is_list"].fill_null(value=False)
    new = {content: found["_words"]} if content in stored.columns else {}
    if "n_chars" in stored.columns:
        new["n_chars"] = found["_words"].str.len_chars().cast(stored["n_chars"].dtype)
    return stored.with_columns(
        pl.when(is_list).then(value).otherwise(pl.col(name)).alias(name)
        for name, value in new.items()
        if name is not None
    )


def calls_in(said: pl.DataFrame, calls: pl.DataFrame | None) -> pl.DataFrame | None:
    """Read the calls among the parts, of messages that have none elsewhere.

    Args:
        said: what `unfolded` gave.
        calls: what the kernel found in the columns of calls.
    """
    if calls is not None:
        told = calls.filter(outcome="call")["_row"]
        said = said.filter(~pl.col("_row").is_in(told.implode()))
    said = said.filter(pl.col("calls").is_not_null())
    if said.is_empty():
        return calls
    found = read_calls(said, CallSource(text="calls"))
    found = found.with_columns(said["_row"].gather(found["_row"]))
    return found if calls is None else pl.concat([calls, found]).sort("_row", maintain_order=True)


def told(frame: pl.DataFrame, said: pl.DataFrame, *, text: bool) -> pl.DataFrame:
    """Complete messages with what their parts say; `text` says whether words may be shown."""
    if said.is_empty():
        return frame.with_columns(_results=pl.lit(None, RESULTS))
    row = pl.int_range(pl.len(), dtype=pl.UInt32).alias("_row")
    found = frame.with_columns(row).join(
        said.select("_row", "_results", "only_results", "shape", "_column", _thought="reasoning"),
        on="_row",
        how="left",
        maintain_order="left",
    )
    answers = pl.col("only_results").fill_null(value=False) & (pl.col("kind") != "event")
    beside = {
        "reasoning": pl.coalesce("reasoning", "_thought"),
        "extra": joined(
            pl.col("extra"), pl.coalesce([_kept(name) for name in said["_column"].unique().sort()])
        ),
    }
    return found.with_columns(
        role=pl.when(answers).then(pl.lit("tool")).otherwise("role"),
        kind=pl.when(answers).then(pl.lit("tool_result")).otherwise("kind"),
        **(beside if text else {}),
    ).select(*frame.columns, "_results")


def _kept(column: str) -> pl.Expr:
    """Give the shape of the parts, which is JSON already, under the column's name."""
    name = json_object({column: pl.lit(0)})
    shape = pl.concat_str(name.str.head(-2), pl.col("shape"), pl.lit("}"))
    is_its = (pl.col("_column") == column) & pl.col("shape").is_not_null()
    return pl.when(is_its).then(shape)


def _decoded(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """Decode JSON; what is none is a text like any other."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


def _is_list_of_parts(found: Any) -> bool:  # noqa: ANN401 - any JSON value
    parts = isinstance(found, list) and all(isinstance(part, dict) and part for part in found)
    if not parts or not found:
        return False
    typed = all(isinstance(part.get("type"), str) for part in found)
    return typed or any(_have_only(keys, found) for keys in (gemini_api.PARTS, bedrock_parts.KEYS))


def _is_message(found: Any) -> bool:  # noqa: ANN401 - any JSON value
    return (
        isinstance(found, dict)
        and found.keys() <= _OF_MESSAGES
        and bool(found.keys() & {"content", "parts", "tool_calls"})
        and str(found.get("role")).lower() in ROLES
    )


def _have_only(keys: frozenset[str], parts: list[dict[str, Any]]) -> bool:
    return all(part.keys() <= keys for part in parts)


def _message(found: dict[str, Any] | list[dict[str, Any]]) -> Message:
    """Read a message, or parts as the message that they are.

    Raises:
        ValueError: none of them is of a kind that messages have: the list is somebody's words.
    """
    if isinstance(found, dict):
        listed: Any = found.get("parts")
        return _message(listed) if _is_list_of_parts(listed) else chat_message.message(found)
    parts = found
    if "type" not in parts[0]:
        return _untyped(parts)
    if all(part.keys() == {"type", "data"} for part in parts):
        parts = [_lifted(part) for part in parts]
    kinds = {part["type"] for part in parts}
    if not any(map(_is_known, kinds)):
        raise ValueError("no part of a message")
    own = any(k.startswith("tool-") and k not in {"tool-call", "tool-result"} for k in kinds)
    if own or kinds & _STREAMED:
        return vercel_ai.message({"role": "", "parts": parts})
    return chat_message.message({"role": "user", "content": parts})


def _lifted(part: dict[str, Any]) -> dict[str, Any]:
    """Give a part whose keys stand below `data`, as Crush has them, as a block that has them."""
    kind, data = part["type"], part["data"]
    taken = _NESTED.get(kind)
    if taken is None or not isinstance(data, dict):
        return part
    of, keys = taken
    return {"type": of, **{name: data[key] for key, name in keys.items() if key in data}}


def _untyped(parts: list[dict[str, Any]]) -> Message:
    """Read parts that are told apart by their keys: of Gemini, or of Bedrock."""
    if not _have_only(gemini_api.PARTS, parts):
        return bedrock_parts.message(parts)
    message = gemini_api.message({"role": "user", "parts": parts})
    if message.role == "tool" and not any(result.native_id for result in message.results):
        # Nothing says which call they answer, so they are what the message says.
        texts = [result.text for result in message.results if result.text is not None]
        message.content = "\n".join(texts) or None
    return message


def _is_known(kind: str) -> bool:
    return kind in _KINDS or kind.startswith(("tool-", "data-")) or blocks.claims(kind)


def _fields(message: Message) -> tuple[Any, ...]:
    results = [
        {"native_id": r.native_id, "text": r.text, "status": _word(r.status)}
        for r in message.results
    ]
    shape = message.extra.get("parts", message.extra.get("content"))
    plain = shape is None or (len(shape) == 1 and shape[0].keys() <= {"type", "text"})
    return (
        message.content,
        message.reasoning,
        None if plain else encode(shape),
        message.role == "tool",
        encode([_item(call) for call in message.calls]) if message.calls else None,
        results or None,
    )


def _item(call: Call) -> dict[str, Any]:
    """Write a call as the kernel reads it."""
    item: dict[str, Any] = {"id": call.native_id, "name": call.name}
    if call.arguments is not msgspec.UNSET:
        item["arguments"] = call.arguments
    if call.has_result:
        item["result"] = call.result
    if word := _word(call.status):
        item["status"] = word
    return item


def _word(status: str | None) -> str | None:
    return None if status in {None, "unknown", "no_result"} else status
