"""From the rows as stored to the five frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.chats import Chats, Finding, from_frames
from chatdata.database import report, tables
from chatdata.database.calls import find_source, read_calls
from chatdata.database.messages import Context, marks, ordered, read_chunk
from chatdata.database.scope import Scope, within
from chatdata.database.settle import settled
from chatdata.database.values import joined, key, unique
from chatdata.spool import Spool

if TYPE_CHECKING:
    from chatdata.database.extract import Raw

_CONTRACT = frozenset(schema.MESSAGES.schema.names())
_KEYS = (
    "message_id",
    "conversation_id",
    "created_at",
    "role",
    "model",
    "_user",
    "_sequence",
    "_number",
)


@dataclass(frozen=True)
class Source:
    """All that was read of a database."""

    name: str
    messages: tuple[Raw, ...]
    conversations: Raw | None
    tool_calls: Raw | None
    findings: tuple[Finding, ...] = ()
    samples: tuple[Raw, ...] = ()  # of a narrow read: some calls of each table, whosever they are

    def sample_of(self, raw: Raw) -> Raw | None:
        """The sample of a table."""
        return next((one for one in self.samples if one.binding is raw.binding), None)


@dataclass(frozen=True)
class _Messages:
    """The messages of all tables as they are read, and what is stored with them.

    `keys` are the columns that order and link messages, `calls` the kernel's rows with `_row`, the
    message's place in all of `keys`; `answers` are the results in messages of their own, `counts`
    what each part adds to the accounting, `samples` the kernel's rows of the samples.
    """

    parts: Spool = field(default_factory=Spool)
    keys: list[pl.DataFrame] = field(default_factory=list)
    calls: list[pl.DataFrame] = field(default_factory=list)
    answers: list[pl.DataFrame] = field(default_factory=list)
    counts: list[pl.DataFrame] = field(default_factory=list)
    samples: list[pl.DataFrame] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def assemble(source: Source, scope: Scope) -> Chats[pl.LazyFrame]:
    """Turn what was read into `Chats`."""
    found = _Messages()
    for raw in source.messages:
        _take(found, raw, source, scope)
    listed = None
    if source.conversations is not None:
        listed = tables.conversations(source.conversations, scope)
    keys = pl.concat(found.keys).with_row_index("_row")
    if not all(raw.has_unique_ids for raw in source.messages):
        keys = keys.with_columns(unique(keys["message_id"]))
    by_sequence = all("sequence" in raw.binding.columns for raw in source.messages)
    order = ordered(keys, by_sequence=by_sequence)
    keys = keys.with_columns(order["message_id"])
    marked = marks(keys, _owners(listed, keys, source))
    stored = _linked(pl.concat(found.calls), keys) if found.calls else None
    table = _of_table(source, keys, scope)
    has_calls = any(part["outcome"].eq("call").any() for part in (*found.calls, *found.samples))
    if not has_calls and source.tool_calls is not None:
        sample = source.sample_of(source.tool_calls)
        found.samples.extend(tables.sampled(sample) if sample else ())
    mirror, beside = (table, None) if has_calls else (None, table)
    if mirror is not None and stored is not None and tables.is_ours(source.tool_calls):
        mirror, beside, stored = _told_by_ours(mirror, stored)
    tried = [part for part in (stored, beside) if part is not None]
    calls = pl.concat(tried, how="diagonal") if tried else None
    conversations = _conversations(listed, keys, source, scope)
    frames: dict[str, pl.DataFrame | pl.LazyFrame] = {
        "conversations": conversations,
        "messages": _in_order(found.parts, order, marked),
        "tool_calls": _calls(calls, keys, found, scope),
        "rejects": report.rejects(calls, source.name),
        "accounting": report.accounting(source.name, listed, found.counts, calls, mirror),
    }
    findings = (*source.findings, *found.findings, *report.mirrored(source.name, mirror))
    return from_frames({name: frame.lazy() for name, frame in frames.items()}, findings)


def _take(found: _Messages, raw: Raw, source: Source, scope: Scope) -> None:
    """Read one message table."""
    name = raw.binding.table.name
    sample = source.sample_of(raw)
    holder = (find_source(sample) if sample else None) or find_source(raw)
    if sample is not None and holder is not None:
        found.samples.extend(read_calls(part, holder) for part in sample.rows)
    if holder is not None:
        found.findings.append(report.of_calls(source.name, raw, holder))
    context = Context(
        calls=holder,
        prefix=f"{name}:" if len(source.messages) > 1 else "",
        time_zone=scope.time_zone,
        text=scope.text,
    )
    n_stored = n_untimed = 0
    for stored in raw.rows.drain():
        calls = None if holder is None else read_calls(stored, holder)
        row = pl.int_range(n_stored + 1, n_stored + stored.height + 1, eager=True)
        frame = read_chunk(stored, raw, context, calls).with_columns(
            _table=pl.lit(name), _record=pl.coalesce("_number", pl.lit(row))
        )
        n_stored += stored.height
        if scope.has_window:
            n_untimed += frame["created_at"].null_count()
        _add(found, *_in_window(frame, calls, scope))
    if n_untimed:
        reason = "messages whose time cannot be read lie in no window"
        found.findings.append(Finding(source.name, name, f"{n_untimed} messages left out", reason))


def _add(found: _Messages, frame: pl.DataFrame, calls: pl.DataFrame | None) -> None:
    n_before = sum(part.height for part in found.keys)
    found.parts.add(frame.select(column for column in frame.columns if column in _CONTRACT))
    found.keys.append(frame.select(_KEYS))
    found.counts.append(report.of_messages(frame))
    answers = frame.select(
        "conversation_id",
        content="_answer",
        native_id="_tool_call_id",
        _row=pl.int_range(n_before, n_before + pl.len(), dtype=pl.UInt32),
    )
    found.answers.append(answers.filter(pl.col("native_id").is_not_null(), frame["role"] == "tool"))
    if calls is not None:
        origin = [frame[name].gather(calls["_row"]) for name in ("_table", "_record")]
        found.calls.append(calls.with_columns(*origin, _row=pl.col("_row") + n_before))


def _in_window(
    frame: pl.DataFrame, calls: pl.DataFrame | None, scope: Scope
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Leave out what the window of the SQL, a day too wide for times in text, let through."""
    if not scope.has_window:
        return frame, calls
    inside = frame.select(within(scope, pl.col("created_at"))).to_series()
    if calls is not None:
        calls = calls.filter(inside.gather(calls["_row"]))
        place = inside.cast(pl.UInt32).cum_sum() - 1
        calls = calls.with_columns(_row=place.gather(calls["_row"]))
    return frame.filter(inside), calls


def _in_order(parts: Spool, order: pl.DataFrame, marked: pl.DataFrame) -> pl.LazyFrame:
    """Complete the messages with what depends on all of them."""
    whole, start = Spool(), 0
    for part in parts:
        place = order.slice(start, part.height)
        frame = part.with_columns(
            *place.iter_columns(),
            is_main_path=pl.lit(value=True),
            generation_id=pl.lit(None, pl.String),
        )
        if marked.height:
            row = pl.int_range(start, start + part.height, dtype=pl.UInt32, eager=True)
            mark = (
                row.alias("_row")
                .to_frame()
                .join(marked, on="_row", how="left", maintain_order="left")
            )
            frame = frame.with_columns(extra=joined(pl.col("extra"), pl.lit(mark["_marks"])))
        start += part.height
        whole.add(frame.select(schema.MESSAGES.schema.names()))
    return whole.frame()


def _linked(calls: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    """Give calls stored with a message its ids."""
    row = calls["_row"]
    return calls.with_columns(
        keys["message_id"].gather(row), keys["conversation_id"].gather(row)
    ).with_columns(
        tool_call_id=pl.format("{}:{}", "message_id", "position"),
        result_message_id=pl.lit(None, pl.String),
        started_at=pl.lit(None, schema.TIME),
        ended_at=pl.lit(None, schema.TIME),
    )


def _told_by_ours(
    mirror: pl.DataFrame, stored: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Take from our own table what no message says: calls without one, and when calls ran.

    Returns:
        The rows that say the same again, those of calls without a message, and the calls of the
        messages with their times.
    """
    has_message = pl.col("message_id").is_not_null()
    again, beside = mirror.filter(has_message), mirror.filter(~has_message)
    key, span = ("message_id", "position"), ("started_at", "ended_at")
    ran = again.filter(pl.col("started_at").is_not_null()).select(*key, *span)
    if ran.height:
        stored = stored.drop(span).join(ran, on=key, how="left", maintain_order="left")
    return again, beside, stored


def _of_table(source: Source, keys: pl.DataFrame, scope: Scope) -> pl.DataFrame | None:
    raw = source.tool_calls
    if raw is None:
        return None
    link = raw.binding.columns.get("message_id")
    targets = [
        key.table
        for key in raw.binding.table.foreign_keys
        if link is not None and key.column == link.name
    ]
    prefix = f"{targets[0]}:" if len(source.messages) > 1 and targets else ""
    return tables.tool_calls(raw, keys, scope, prefix)


def _calls(
    calls: pl.DataFrame | None, keys: pl.DataFrame, found: _Messages, scope: Scope
) -> pl.DataFrame:
    if calls is None:
        return schema.TOOL_CALLS.schema.to_frame()
    answers = pl.concat(found.answers)
    answers = answers.with_columns(keys["message_id"].gather(answers["_row"]))
    whole = settled(calls.filter(pl.col("outcome") == "call"), answers, found.samples)
    if scope.text:
        return whole
    hidden = ("arguments_raw", "arguments", "result", "extra")
    return whole.with_columns(pl.lit(None, pl.String).alias(name) for name in hidden)


def _conversations(
    listed: pl.DataFrame | None, keys: pl.DataFrame, source: Source, scope: Scope
) -> pl.DataFrame:
    """Make the conversations frame.

    Without a conversation table the distinct keys of the messages are the conversations. What the
    table does not say and the messages do is taken from them: owner, times, the only model.
    """
    raw = source.conversations
    if listed is None or raw is None:
        told = _told_by_messages(keys)
        whole = told.with_columns(
            native_id="conversation_id", title=None, agent=None, project=None, extra=None
        ).rename(
            {"_user": "user_id", "_first": "created_at", "_last": "updated_at", "_model": "model"}
        )
    else:
        has = raw.binding.columns
        silent = {"user_id", "created_at", "model"} - has.keys()
        if (
            silent <= {"model"}
            and keys["model"].null_count() == keys.height
            and not scope.has_window
        ):
            silent = set()
        told = _told_by_messages(keys if silent or scope.has_window else keys.head(0))
        whole = listed.join(told, on="conversation_id", how="left", maintain_order="left")
        for name, other in (("user_id", "_user"), ("created_at", "_first"), ("model", "_model")):
            if name not in has:
                whole = whole.with_columns(pl.col(other).alias(name))
        if scope.has_window:
            has_messages = pl.col("_first").is_not_null()
            whole = whole.filter(has_messages | within(scope, pl.col("created_at")))
        if scope.user_id is not None and "user_id" not in has:
            whole = whole.filter(pl.col("conversation_id").is_in(told["conversation_id"].implode()))
        elif scope.user_id is not None:
            whole = whole.filter(pl.col("user_id").is_in(key(pl.Series([scope.user_id])).implode()))
    absent = dict.fromkeys(
        ("parent_conversation_id", "relation", "parent_tool_call_id", "declared_tools")
    )
    return whole.with_columns(source=pl.lit("app-db"), origin=pl.lit(source.name), **absent).select(
        pl.col(name).cast(kind) for name, kind in schema.CONVERSATIONS.schema.items()
    )


def _owners(listed: pl.DataFrame | None, keys: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Give the user of each conversation that there is, as `_conversations` has it."""
    raw = source.conversations
    if listed is not None and raw is not None and "user_id" in raw.binding.columns:
        return listed.select("conversation_id", "user_id")
    told = _told_by_messages(keys).select("conversation_id", user_id="_user")
    if listed is None:
        return told
    return listed.select("conversation_id").join(told, on="conversation_id", how="left")


def _told_by_messages(keys: pl.DataFrame) -> pl.DataFrame:
    """Give what messages say of their conversation: owner, first and last time, the only model."""
    linked = keys.filter(~pl.col("conversation_id").str.ends_with("#none"))
    return linked.group_by("conversation_id", maintain_order=True).agg(
        _user=pl.col("_user").drop_nulls().first(),
        _first=pl.col("created_at").min(),
        _last=pl.col("created_at").max(),
        _model=pl.when(pl.col("model").drop_nulls().n_unique() == 1).then(
            pl.col("model").drop_nulls().first()
        ),
    )
