"""Who talks when, what is asked in every turn, and which tool calls are tried: all the draws.

Frames here are plain working tables, keyed by `row`; `world.py` makes the contract's frames of
them. What should be rare but present comes by count, not by chance, so that a small world has it.
"""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from itertools import accumulate

import polars as pl

from chatdata.sample import phrases
from chatdata.sample.draws import Dice, fill_in, log_normal, weighted

_EPOCH = datetime(2025, 9, 1)  # noqa: DTZ001 - times of the contract are UTC without a zone
_WEEKS = 12
_BY_WEEKDAY = (22, 24, 23, 22, 17, 8, 9)
_BY_HOUR = (2, 1, 1, 1, 1, 2, 5, 12, 22, 28, 27, 24, 18, 22, 26, 25, 22, 18, 13, 12, 13, 12, 8, 4)
_DAYS = weighted({str(day): _BY_WEEKDAY[day % 7] for day in range(7 * _WEEKS)}).cast(pl.Int64)
_HOURS = weighted({str(hour): weight for hour, weight in enumerate(_BY_HOUR)}).cast(pl.Int64)
_UTC_OFFSETS = pl.Series([0, 5, 9, 1])  # as LANGUAGES; the hours above are on the user's clock

_ROW = pl.col("row")
_FORK = (_ROW % 40 == 29) & ((_ROW - 1) % 67 != 13)
_SILENT = (_ROW % 67 == 13) & (_ROW % 40 != 29)

TITLES = pl.Series([title for language in phrases.LANGUAGES for title in phrases.TITLES[language]])
_N_TITLES = [len(phrases.TITLES[language]) for language in phrases.LANGUAGES]
_FIRST_TITLE = [0, *accumulate(_N_TITLES[:-1])]
_REQUESTS = pl.Series(
    [
        request
        for language in phrases.LANGUAGES
        for intent in phrases.INTENTS
        for request in phrases.REQUESTS[language][intent]
    ]
)
_RETRIED = ("not_found", "timeout", "invalid_arguments", "rate_limit")


def users(dice: Dice, n_conversations: int) -> pl.DataFrame:
    """Make the users: several dozen, and more as the world grows."""
    rows = pl.select(row=pl.int_range(36 + n_conversations // 50, dtype=pl.UInt64))
    drawn = rows.with_columns(
        high=dice.bits("user id, first half"),
        low=dice.bits("user id, second half"),
        language=dice.pick("language", weighted({"0": 12, "1": 3, "2": 3, "3": 2}).cast(pl.Int64)),
    )
    ids = [
        str(uuid.UUID(int=high << 64 | low, version=4))
        for high, low in zip(drawn["high"], drawn["low"], strict=True)
    ]
    return drawn.select("language", user_id=pl.Series(ids, dtype=pl.String))


def conversations(dice: Dice, n: int, people: pl.DataFrame) -> pl.DataFrame:
    """Say who starts a conversation when, how many turns it has, and what it forks.

    Few users hold most conversations. A fork has its parent's user and starts later.
    """
    own = pl.when(_FORK).then(_ROW - 1).otherwise(_ROW)  # a fork shares its parent's draws
    luck = dice.uniform("user", own)
    minutes = dice.whole("minute", 0, 3_600_000_000 - 1, own)
    later = pl.when(_FORK).then(dice.whole("fork delay", 24, 72)).otherwise(0)
    n_turns = dice.pick("turns", log_normal(3, 0.9)).clip(1)
    parent_turns = dice.pick("turns", log_normal(3, 0.9), own).clip(1)
    return (
        pl.select(row=pl.int_range(n, dtype=pl.UInt64))
        .with_columns(person=(luck * luck * luck * people.height).cast(pl.Int64))
        .with_columns(
            user_id=pl.lit(people["user_id"]).gather("person"),
            language=pl.lit(people["language"]).gather("person"),
            n_turns=pl.when(_SILENT).then(0).otherwise(n_turns),
            is_agent=dice.chance("agent", 0.2),
            parent=pl.when(_FORK).then(_ROW - 1),
            fork_turn=pl.when(_FORK).then(dice.whole("fork turn", 1, parent_turns)),
        )
        .with_columns(
            started_at=pl.lit(_EPOCH, dtype=pl.Datetime("us"))
            + pl.duration(
                days=dice.pick("day", _DAYS, own),
                hours=dice.pick("hour", _HOURS, own)
                - pl.lit(_UTC_OFFSETS).gather("language")
                + later,
                microseconds=minutes,
            ),
        )
        .sort("started_at", "row")
        .with_row_index("number", offset=1)
    )


def turns(dice: Dice, talks: pl.DataFrame) -> pl.DataFrame:
    """Say what is asked in every turn of every conversation."""
    language = pl.col("language")
    title = dice.whole("title", 0, pl.lit(pl.Series(_N_TITLES)).gather(language) - 1)
    plans = pl.Series([i for i, (_, weight, _) in enumerate(phrases.PLANS) for _ in range(weight)])
    intents = pl.Series([phrases.INTENTS.index(intent) for intent, _, _ in phrases.PLANS])
    request = (language * len(phrases.INTENTS) + pl.lit(intents).gather("plan")) * 3
    return (
        talks.select("number", "language", "is_agent", talk="row", turn=pl.int_ranges("n_turns"))
        .explode("turn")
        .drop_nulls("turn")
        .with_row_index("row")
        .with_columns(
            plan=dice.pick("plan", plans),
            title_index=pl.lit(pl.Series(_FIRST_TITLE)).gather(language) + title,
            task=dice.whole("task", 1, 400),
            level=dice.pick("level", pl.Series(["low", "medium", "medium", "high"])),
        )
        .with_columns(title=pl.lit(TITLES).gather("title_index"))
        .with_columns(
            request=fill_in(
                pl.lit(_REQUESTS).gather(request + dice.whole("variant", 0, 2)), ["title"]
            )
        )
    )


def calls(dice: Dice, asked: pl.DataFrame) -> pl.DataFrame:
    """Try the tools of every turn, and most of those that failed once more.

    Returns:
        One row per attempt, in the order they were made: those of one `step` are made at once.
    """
    tools = pl.Series([list(tools) for *_, tools in phrases.PLANS], dtype=pl.List(pl.String))
    parallel = pl.Series([len(set(tools)) < len(tools) for *_, tools in phrases.PLANS])
    first = (
        asked.select(
            "number",
            "is_agent",
            "task",
            "level",
            "title_index",
            turn_row="row",
            tool=pl.lit(tools).gather("plan"),
            is_parallel=pl.lit(parallel).gather("plan"),
        )
        .filter(pl.col("tool").list.len() > 0)
        .with_columns(ordinal=pl.int_ranges(pl.col("tool").list.len()))
        .explode("tool", "ordinal")
        .with_row_index("row")
        .with_columns(
            pl.col("row").cast(pl.UInt64),
            attempt=pl.lit(0),
            outcome=_outcome(dice),
            is_malformed=_ROW % 300 == 140,
        )
        .with_columns(
            outcome=pl.when("is_malformed").then(pl.lit("invalid_arguments")).otherwise("outcome")
        )
    )
    again = first.filter(pl.col("outcome").is_in(_RETRIED), dice.chance("retry", 0.7)).with_columns(
        row=_ROW + 2**40,
        attempt=pl.lit(1),
        outcome=dice.pick("second outcome", weighted({"ok": 85, "not_found": 5, "timeout": 10})),
        is_malformed=pl.lit(value=False),
        # Whoever hit a task that is not there tries another number; a timeout is tried as it was.
        task=pl.when(pl.col("outcome") == "not_found")
        .then(dice.whole("second task", 1, 400))
        .otherwise("task"),
    )
    step = (
        pl.when("is_parallel").then("attempt").otherwise(2 * pl.col("ordinal") + pl.col("attempt"))
    )
    return _said(
        pl.concat([first, again]).sort("turn_row", "ordinal", "attempt").with_columns(step=step)
    )


def _outcome(dice: Dice) -> pl.Expr:
    """Draw how a call ends; nobody forbids reading, and a new task cannot be missing."""
    drawn = dice.pick("outcome", weighted(phrases.OUTCOMES))
    reads = pl.col("tool").is_in(["list_tasks", "search_tasks"])
    adds = pl.col("tool") == "add_task"
    impossible = (reads & drawn.is_in(["not_found", "denied"])) | (adds & (drawn == "not_found"))
    return pl.when(impossible).then(pl.lit("ok")).otherwise(drawn)


def _said(tried: pl.DataFrame) -> pl.DataFrame:
    """Write down the arguments and the result of every attempt."""
    titles = pl.Series([json.dumps(title, ensure_ascii=False) for title in TITLES])
    blanks = ("task", "text", "level")
    reads = pl.col("tool").is_in(["list_tasks", "search_tasks"]) & (pl.col("outcome") == "ok")
    result = (
        pl.when(reads)
        .then(pl.lit(phrases.FOUND))
        .otherwise(pl.col("outcome").replace_strict(phrases.RESULTS, default=None))
    )
    said = tried.with_columns(
        pl.col("task").cast(pl.String), text=pl.lit(titles).gather("title_index")
    )
    whole = fill_in(pl.col("tool").replace_strict(phrases.ARGUMENTS), blanks)
    return said.with_columns(
        arguments_raw=pl.when("is_malformed").then(whole.str.head(-3)).otherwise(whole),
        result=fill_in(result, blanks),
    ).drop(*blanks, "title_index")
