"""From the rows as stored to the five frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.chats import Chats, Finding, from_frames
from chatdata.database import answers, report, tables
from chatdata.database.calls import find_sources, read_each, together
from chatdata.database.columns import same
from chatdata.database.conversations import conversations_of
from chatdata.database.copies import filled_in
from chatdata.database.echoes import once, two_eras, without_names
from chatdata.database.messages import Context, read_chunk
from chatdata.database.order import KEYS, in_order, order_of
from chatdata.database.parts import Part, Pile, part_of, part_of_messages, parted, sorted_out
from chatdata.database.passed import passed_over
from chatdata.database.scope import Scope, within
from chatdata.database.settle import Facts, answered, named_by_row, settled
from chatdata.database.stages import in_one
from chatdata.database.unfold import calls_in, opened_up, told
from chatdata.spool import Spool, detached

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chatdata.database.extract import Raw, Source
    from chatdata.database.order import Order

_SLICE_ROWS = 50_000
_ORDERED = {"position", "parent_message_id", "is_main_path", "generation_id"}
_NEEDED = tuple(
    dict.fromkeys(
        [name for name in schema.MESSAGES.schema if name not in _ORDERED]
        + [*KEYS, "_tool_call_id", "_answer", "_ended", "_tool", "_results"]
    )
)


@dataclass(frozen=True)
class _Known:
    """What was found out on the way, before any part is computed.

    `counts` is what each chunk of messages adds to the accounting, `samples` the kernel's rows of
    the samples, `called` whether any message holds a call, `outside` the ids of messages that were
    read and lie outside of the window.
    """

    counts: list[pl.DataFrame] = field(default_factory=list)
    samples: list[pl.DataFrame] = field(default_factory=list)
    called: list[bool] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    outside: list[pl.Series] = field(default_factory=list)


@dataclass
class _Frames:
    """The frames but messages, part by part; calls wait for what only all of them tell.

    `has_calls` says which parts have a frame in `calls`; `n_stages` counts the rows of a table that
    go on with the call of another one.
    """

    conversations: Spool
    calls: Spool
    has_calls: list[bool] = field(default_factory=list)
    rejects: list[pl.DataFrame] = field(default_factory=list)
    counts: list[pl.DataFrame] = field(default_factory=list)
    facts: Facts = field(default_factory=Facts)
    n_stages: int = 0


def assemble(source: Source, scope: Scope) -> Chats[pl.LazyFrame]:
    """Turn what was read into `Chats`."""
    held = _held_bytes(source, scope)
    known, done = _Known(), _Frames(Spool(limit=held), Spool(limit=held))
    messages = Spool(limit=held)
    for part, order in _computed(known, done, source, scope):
        spoken = in_order(part, order)
        for frame in [pl.concat(spoken)] if part.on_disk else spoken:
            messages.add(frame)
    counts = [*known.counts, *done.counts]
    frames: dict[str, pl.DataFrame | pl.LazyFrame] = {
        "conversations": done.conversations.frame(),
        "messages": messages.frame(),
        "tool_calls": Spool(_settled(done, scope), limit=scope.held_bytes).frame(),
        "rejects": pl.concat(done.rejects),
        "accounting": report.accounting(source.name, counts),
    }
    findings = (
        *source.findings,
        *known.findings,
        *report.mirrored(source.name, counts, done.n_stages),
    )
    return from_frames({name: frame.lazy() for name, frame in frames.items()}, findings)


def in_parts(source: Source, scope: Scope) -> Iterator[dict[str, pl.DataFrame]]:
    """Turn what was read of messages alone into frames, by parts of whole conversations."""
    held = _held_bytes(source, scope)
    done = _Frames(Spool(limit=held), Spool(limit=held))
    parts = [part for part, _ in _computed(_Known(), done, source, scope)]
    for part, rejects, calls in zip(parts, done.rejects, _settled(done, scope), strict=True):
        yield {
            "conversations": done.conversations.pop(),
            "messages": pl.concat(in_order(part, order_of(part, source, None))),
            "tool_calls": calls,
            "rejects": rejects,
        }


def _held_bytes(source: Source, scope: Scope) -> int | None:
    """Say how much may wait in memory; ids that come twice are told apart in one part only."""
    return scope.held_bytes if source.has_unique_ids else None


def _computed(
    known: _Known, done: _Frames, source: Source, scope: Scope
) -> Iterator[tuple[Part, Order]]:
    """Compute all but the messages, part by part; their rows are still there."""
    stream = (one for raw in source.messages for one in _taken(known, raw, source, scope))
    parts = parted(stream, _held_bytes(source, scope), source.n_bytes)
    conversations = _of_parts(_listed(known, source, scope), len(parts))
    called = _table_of_calls(source, parts, scope)
    has_calls = any(known.called) or any(
        sample["outcome"].eq("call").any() for sample in known.samples
    )
    if not has_calls and source.tool_calls is not None:
        sample = source.sample_of(source.tool_calls)
        known.samples.extend(tables.sampled(sample) if sample else ())
    for called_elsewhere in known.samples:
        done.facts |= Facts.of(called_elsewhere)
    outside = pl.concat([pl.Series(dtype=pl.String()), *known.outside])
    for part, own, table in zip(parts, conversations, called, strict=True):
        order = order_of(part, source, own)
        linked = None
        if table is not None and source.tool_calls is not None:
            linked = tables.tool_calls(source.tool_calls, table, order.keys, scope, outside)
        frame = conversations_of(source.conversations, source.name, own, order.keys, scope)
        done.conversations.add(detached(frame))
        _compute_calls(done, part, order, linked, source, has_calls=has_calls)
        yield part, order


def _listed(known: _Known, source: Source, scope: Scope) -> pl.DataFrame | None:
    """Read the table of conversations, if there is one."""
    if source.conversations is None:
        return None
    listed = tables.conversations(source.conversations, scope)
    odd = {what: int(listed[f"_odd_{what}"].sum()) for what in tables.MOMENTS}
    known.findings.extend(report.of_unread_times(source.name, source.conversations, odd))
    known.counts.insert(0, report.of_conversations(listed))
    return listed


def _compute_calls(  # noqa: PLR0913 - one part, and all that it is computed with
    done: _Frames,
    part: Part,
    order: Order,
    table: pl.DataFrame | None,
    source: Source,
    *,
    has_calls: bool,
) -> None:
    """Compute the calls of one part, and what became of those that are none."""
    kernel, keys = part.calls.whole(), order.keys
    stored = again = None
    if kernel is not None:
        said = pl.concat(part.rows.columns("_answer", "_ended"))
        told = once(answers.by_name(_linked(kernel, keys), part, order), order, said)
        stored, again = (
            rows.filter(pl.col("_is_of_other").is_null()).drop("_is_of_other")
            for rows in (told.calls, told.again)
        )
    mirror, beside = None, table
    if has_calls and table is not None and stored is not None:
        is_ours = tables.is_ours(source.tool_calls)
        if not is_ours:
            stored, names = without_names(stored, table, keys)
            again = pl.concat([again, names]) if again is not None else names
        mirror, beside = two_eras(table, stored, keys, is_ours=is_ours)
        stored = _timed(stored, mirror) if is_ours else filled_in(stored, mirror)
    tried = [rows for rows in (stored, beside) if rows is not None]
    calls = pl.concat(tried, how="diagonal") if tried else None
    done.rejects.append(report.rejects(calls, source.name))
    done.has_calls.append(calls is not None)
    stages = None
    if calls is not None:
        results = answers.of_part(part, order)
        if table is not None:
            results = named_by_row(results, table)
        is_call = pl.col("outcome") == "call"
        whole = in_one(answered(answers.placed(calls.filter(is_call), order), results))
        stages = whole.again
        done.n_stages += report.n_rows(stages)
        calls = pl.concat([whole.calls, calls.filter(~is_call)], how="diagonal")
        done.facts |= Facts.of(whole.calls)
        done.calls.add(detached(whole.calls))
    done.counts += report.of_tool_calls(calls, mirror, again, stages)


def _taken(
    known: _Known, raw: Raw, source: Source, scope: Scope
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame | None]]:
    """Read one message table: its messages, and the kernel's rows of the calls in them."""
    name = raw.binding.table.name
    sample = source.sample_of(raw)
    places = (find_sources(sample) if sample else ()) or find_sources(raw)
    if sample is not None:
        known.samples.extend(one for part in sample.rows for one in read_each(part, places))
    known.findings.extend(report.of_calls(source.name, raw, places))
    context = Context(
        places,
        prefix=f"{raw.binding.label}:" if len(source.messages) > 1 else "",
        time_zone=scope.time_zone,
        text=scope.text,
    )
    n_stored = n_untimed = n_unknown = n_parts = n_unread = n_odd_times = 0
    words = set[str | None]()
    passed = set[tuple[str, str | None]]()
    for stored in raw.rows.drain():
        each = read_each(stored, places)
        opened = opened_up(stored, raw)
        said = opened.said
        n_parts, n_unread = n_parts + said.height, n_unread + opened.n_unread
        row = pl.int_range(n_stored + 1, n_stored + stored.height + 1, eager=True)
        frame = read_chunk(opened.stored, raw, context, each).with_columns(
            _table=pl.lit(name), _record=pl.coalesce("_number", pl.lit(row))
        )
        n_odd_times += int(raw.is_unread(stored, "created_at", frame["created_at"]).sum())
        frame = told(frame, said, text=scope.text)
        calls = calls_in(said, together(each))
        frame = answers.with_lists(frame, opened.stored, raw, calls)
        passed.update(passed_over(stored, raw, calls))
        n_stored += stored.height
        unknown = frame.filter(pl.col("kind") == "event")["role_raw"]
        n_unknown, words = n_unknown + unknown.len(), words.union(unknown.unique())
        if scope.has_window:
            n_untimed += frame["created_at"].null_count()
        ids = frame["message_id"]
        frame, calls = _in_window(frame, calls, scope)
        if len(ids) > frame.height and source.tool_calls is not None:
            known.outside.append(ids.filter(~ids.is_in(frame["message_id"].implode())))
        known.counts.append(report.of_messages(frame))
        if calls is not None:
            origin = [frame[name].gather(calls["_row"]) for name in ("_table", "_record")]
            calls = calls.with_columns(*origin)
            known.called.append(calls["outcome"].eq("call").any())
        yield frame.select(_NEEDED), calls
    if n_unknown:
        known.findings.append(report.of_unknown_roles(source.name, raw, n_unknown, len(words)))
    known.findings.extend(report.of_passed(source.name, raw, passed))
    if n_parts or n_unread:
        known.findings.extend(report.of_parts(source.name, raw, n_parts, n_unread))
    odd_times = {"created_at": n_odd_times}
    known.findings.extend(report.of_unread_times(source.name, raw, odd_times))
    if n_untimed:
        reason = "messages whose time cannot be read lie in no window"
        known.findings.append(Finding(source.name, name, f"{n_untimed} messages left out", reason))


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


def _timed(stored: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """Take from our own table what no message says: when calls ran."""
    key, span = ("message_id", "position"), ("started_at", "ended_at")
    ran = table.filter(pl.col("started_at").is_not_null()).select(*key, *span)
    if ran.is_empty():
        return stored
    return stored.drop(span).join(ran, on=key, how="left", maintain_order="left")


def _of_parts(listed: pl.DataFrame | None, n_parts: int) -> Iterator[pl.DataFrame | None]:
    """Give the conversations of each part."""
    if listed is None or n_parts == 1:
        yield from (listed for _ in range(n_parts))
        return
    part = part_of(listed["conversation_id"], n_parts)
    piles = sorted_out(listed.iter_slices(_SLICE_ROWS), part, n_parts)
    none = listed.clear()
    # They wait on disk from here on.
    del listed
    for pile in piles:
        yield none if (found := pile.whole()) is None else found


def _table_of_calls(
    source: Source, parts: Sequence[Part], scope: Scope
) -> Iterator[pl.DataFrame | None]:
    """Give the rows of the table of calls by the part of their message, or of their conversation.

    A part without any has an empty frame; without a table there is none.
    """
    raw = source.tool_calls
    if raw is None:
        yield from (None for _ in parts)
        return
    link = raw.binding.columns.get("message_id")
    targets = [
        messages.binding.label
        for key in raw.binding.table.foreign_keys
        for messages in reversed(source.messages)
        if link and same([link], key.column) and same([messages.binding.table], key.table)
    ]
    prefix = f"{targets[0]}:" if len(source.messages) > 1 and targets else ""
    pile = Pile(on_disk=len(parts) > 1)
    for rows in tables.rows_of_calls(raw, scope.time_zone, prefix):
        pile.add(rows)
    if len(parts) == 1:
        yield pile.whole()
        return
    named = pl.concat(pile.columns("message_id", "_of"))
    part = pl.select(
        pl.coalesce(part_of_messages(named["message_id"], parts), part_of(named["_of"], len(parts)))
    ).to_series()
    for mine in sorted_out(pile, part, len(parts)):
        found = mine.whole()
        yield next(iter(pile)).clear() if found is None else found


def _settled(done: _Frames, scope: Scope) -> Iterator[pl.DataFrame]:
    """Finish the calls of each part, now that it is known what the database stores of them."""
    hidden = () if scope.text else ("arguments_raw", "arguments", "result", "extra")
    for has_calls in done.has_calls:
        if has_calls:
            yield settled(done.calls.pop(), done.facts).with_columns(
                pl.lit(None, pl.String).alias(name) for name in hidden
            )
        else:
            yield schema.TOOL_CALLS.schema.to_frame()
