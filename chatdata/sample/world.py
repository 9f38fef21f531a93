"""The sample world as frames of the contract: messages around the turns, ids, times, tokens."""

from __future__ import annotations

import json

import polars as pl

from chatdata import schema
from chatdata.chats import Chats, Finding, from_frames
from chatdata.sample import phrases, turns
from chatdata.sample.draws import Dice
from chatdata.sample.rows import ANSWER, OTHER_ANSWER, STEPS, rows
from chatdata.tool_calls import NOT_DECODABLE

_NAME = "sample"
_MODELS = pl.Series(["todo-small-1", "todo-small-1", "todo-large-1"])
_STREAMED_FROM = 600  # characters from which an answer is logged twice, in part and whole
_TOOLS = json.dumps([*phrases.ARGUMENTS, "share_list"])


def sample(conversations: int = 200, *, seed: int = 7) -> Chats[pl.LazyFrame]:
    """Make a world of conversations with a to-do application's assistant.

    Several dozen users, few of whom talk most, in four languages over twelve weeks; seven tools
    with their errors, retries, parallel, denied, cancelled and malformed calls; forks,
    conversations without messages, injected, summary, command and event rows, answers that were
    replaced, null and tied times. The same arguments give the same bytes on every machine.

    Args:
        conversations: how many; one has about ten messages.
        seed: which world.

    Raises:
        ValueError: `conversations` is negative.
    """
    if conversations < 0:
        raise ValueError(f"found conversations={conversations}, expected 0 or more")
    dice = Dice(seed)
    talks = turns.conversations(dice, conversations, turns.users(dice, conversations))
    asked = turns.turns(dice, talks)
    tried = turns.calls(dice, asked)
    messages = _messages(dice, talks, rows(dice, asked, tried))
    calls = _calls(messages, tried)
    frames = {
        "conversations": _conversations(dice, talks, messages),
        "messages": messages,
        "tool_calls": calls,
        "rejects": _rejects(messages),
        "accounting": _accounting(talks, messages, calls),
    }
    in_order = {
        table.name: frames[table.name]
        .select(pl.col(name).cast(dtype) for name, dtype in table.schema.items())
        .lazy()
        for table in schema.TABLES
    }
    finding = Finding(_NAME, f"sample({conversations}, seed={seed})", "chats", "made, not read")
    return from_frames(in_order, [finding])


def _messages(dice: Dice, talks: pl.DataFrame, said: pl.DataFrame) -> pl.DataFrame:
    """Give the rows their ids, times, links and tokens."""
    talk = "number"
    started = talks.select(talk, "started_at", model=dice.pick("model", _MODELS))
    timed = said.join(started, on=talk, how="left", maintain_order="left").with_columns(
        time=pl.col("started_at") + pl.duration(microseconds=pl.col("delay").cum_sum().over(talk)),
        position=pl.int_range(pl.len()).over(talk),
        is_main_path=pl.col("slot") != OTHER_ANSWER,
        n_chars=pl.col("content").str.len_chars(),
        role_raw=pl.when(pl.col("kind") == "event").then(pl.lit("renamed")).otherwise("role"),
    )
    # Ids are given out in the order of writing, all conversations together, as a database does.
    named = timed.with_columns(
        message_id=pl.col("time").rank("ordinal").cast(pl.String),
        conversation_id=pl.col(talk).cast(pl.String),
        created_at=pl.when(pl.col("row") % 1500 != 700).then("time"),
    )
    seen = pl.when("is_main_path").then("message_id")
    linked = named.with_columns(
        native_id="message_id",
        parent_message_id=seen.forward_fill().shift(1).over(talk),
        created_at_precision=pl.when(pl.col("created_at").is_not_null()).then(pl.lit("us")),
    )
    return _with_tokens(dice, _with_fork_points(talks, linked))


def _with_fork_points(talks: pl.DataFrame, messages: pl.DataFrame) -> pl.DataFrame:
    """Let the first message of a fork follow the last one of its parent that it took over."""
    points = (
        _copied(talks, messages)
        .group_by("number")
        .agg(
            fork_point=pl.col("message_id").sort_by("position").last(),
            position=pl.lit(0, dtype=pl.Int64),
        )
    )
    return messages.join(
        points, on=["number", "position"], how="left", maintain_order="left"
    ).with_columns(parent_message_id=pl.coalesce("fork_point", "parent_message_id"))


def _copied(talks: pl.DataFrame, messages: pl.DataFrame) -> pl.DataFrame:
    """Find the messages that each fork (`number`) has from its parent: its log repeats them."""
    forks = talks.filter(pl.col("parent").is_not_null()).select(
        "number", "fork_turn", talk="parent"
    )
    theirs = messages.filter("is_main_path").drop("number")
    return forks.join(theirs, on="talk").filter(pl.col("turn") < pl.col("fork_turn"))


def _with_tokens(dice: Dice, messages: pl.DataFrame) -> pl.DataFrame:
    """Count tokens for what the model said: a growing context, most of it cached after a turn."""
    said = pl.col("n_chars").fill_null(0).cast(pl.Int64) // 4 + 4
    context = 350 + said.cum_sum().over("number") - said
    cached = pl.when(pl.col("turn") > 0).then(context * 7 // 640 * 64).otherwise(0)
    generated = pl.col("role") == "assistant"
    thought = generated & (pl.col("model") == "todo-large-1")
    output = said + dice.whole("output", 4, 40)
    tokens = {
        "input_tokens": context - cached,
        "output_tokens": output + pl.when(thought).then(output // 2).otherwise(0),
        "cache_read_tokens": cached,
    }
    return messages.with_columns(
        **{name: pl.when(generated).then(count) for name, count in tokens.items()},
        cache_write_tokens=None,
        reasoning_tokens=pl.when(thought).then(output // 2),
        reasoning=pl.when(thought & dice.chance("reasons", 0.3)).then(pl.lit(phrases.REASONING)),
        model=pl.when(generated).then("model"),
        generation_id=pl.when(generated).then("message_id"),
    )


def _calls(messages: pl.DataFrame, tried: pl.DataFrame) -> pl.DataFrame:
    """Hang every attempt on the message that made it, and on the one with its result."""
    status = pl.col("outcome").replace(
        {"not_found": "error", "invalid_arguments": "error", "rate_limit": "error"}
    )
    failed = status.is_in(["error", "timeout"])
    places = messages.select("turn_row", "slot", "message_id", "conversation_id", time="created_at")
    step = STEPS + 20 * pl.col("step")
    return (
        tried.with_columns(
            slot=pl.when("is_agent").then(step).otherwise(ANSWER),
            result_slot=pl.when("is_agent").then(step + 1 + pl.col("ordinal")),
        )
        .join(places, on=["turn_row", "slot"], how="left", maintain_order="left")
        .join(
            places.select(
                "turn_row", result_slot="slot", result_message_id="message_id", ended_at="time"
            ),
            on=["turn_row", "result_slot"],
            how="left",
            maintain_order="left",
        )
        .sort("turn_row", "slot", "ordinal", "attempt")
        .with_columns(position=pl.int_range(pl.len()).over("message_id"))
        .with_columns(
            tool_call_id=pl.concat_str("message_id", "position", separator=":"),
            native_id=pl.when("is_agent").then(
                pl.concat_str(pl.lit("call_"), "message_id", pl.lit("_"), "position")
            ),
            name="tool",
            server=None,
            arguments=pl.when(~pl.col("is_malformed")).then("arguments_raw"),
            arguments_status=pl.when("is_malformed")
            .then(pl.lit("invalid"))
            .otherwise(pl.lit("ok")),
            status=status,
            error_source=pl.when(failed).then(
                pl.when("is_malformed").then(pl.lit("protocol")).otherwise(pl.lit("explicit"))
            ),
            error_class=pl.when(failed).then("outcome"),
            started_at=pl.when(pl.col("ended_at").is_not_null()).then("time"),
            ended_at=pl.when(pl.col("time").is_not_null()).then("ended_at"),
            extra=None,
        )
    )


def _conversations(dice: Dice, talks: pl.DataFrame, messages: pl.DataFrame) -> pl.DataFrame:
    times = messages.group_by("number").agg(updated_at=pl.col("created_at").max())
    numbers = talks.select(parent="row", parent_number="number")
    return (
        talks.join(times, on="number", how="left", maintain_order="left")
        .join(numbers, on="parent", how="left", maintain_order="left")
        .with_columns(
            conversation_id=pl.col("number").cast(pl.String),
            native_id=pl.col("number").cast(pl.String),
            source=pl.lit(_NAME),
            origin=pl.lit(_NAME),
            title=pl.when(dice.chance("titled", 0.6)).then(dice.pick("title", turns.TITLES)),
            model=dice.pick("model", _MODELS),
            agent=pl.when("is_agent").then(pl.lit("todo-agent")),
            project=None,
            created_at="started_at",
            updated_at=pl.coalesce("updated_at", "started_at"),
            parent_conversation_id=pl.col("parent_number").cast(pl.String),
            relation=pl.when(pl.col("parent").is_not_null()).then(pl.lit("fork")),
            parent_tool_call_id=None,
            declared_tools=pl.when("is_agent").then(pl.lit(_TOOLS)),
            extra=None,
        )
    )


def _rejects(messages: pl.DataFrame) -> pl.DataFrame:
    return messages.filter(pl.col("extra").is_not_null()).select(
        source=pl.lit(_NAME),
        origin=pl.lit(_NAME),
        path=pl.lit("messages"),
        record=pl.col("message_id").cast(pl.UInt64),
        byte_offset=None,
        reason=pl.lit(NOT_DECODABLE),
    )


def _accounting(talks: pl.DataFrame, messages: pl.DataFrame, calls: pl.DataFrame) -> pl.DataFrame:
    """Account for the records of a log that repeats what a fork took over, and long answers."""
    n_calls = calls.group_by("message_id").agg(n_tool_calls=pl.len())
    counted = messages.join(n_calls, on="message_id", how="left")
    streamed = counted.filter(
        (pl.col("n_chars") > _STREAMED_FROM) & (pl.col("role") == "assistant")
    )
    causes = {
        "kept": counted.filter(pl.col("kind") != "event"),
        "event": counted.filter(pl.col("kind") == "event"),
        "replayed by a fork": _copied(talks, counted),
        "part of another record": streamed,
    }
    return pl.concat(
        rows.select(
            origin=pl.lit(_NAME),
            path=pl.lit("messages"),
            cause=pl.lit(cause),
            n_records=pl.len(),
            n_messages=pl.len(),
            n_tool_calls=pl.col("n_tool_calls").sum(),
            output_tokens=pl.when(pl.col("output_tokens").count() > 0).then(
                pl.col("output_tokens").sum()
            ),
        )
        for cause, rows in causes.items()
    ).filter(pl.col("n_records") > 0)
