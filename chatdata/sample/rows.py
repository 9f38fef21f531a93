"""The rows of a conversation: requests, steps, results, answers and what nobody said."""

from __future__ import annotations

import json

import polars as pl

from chatdata.sample import phrases
from chatdata.sample.draws import Dice, fill_in, log_normal

_N_ADVICE = 256  # answers per language
_CUT_OFF = json.dumps({"tool_calls": '[{"tool":"add_task","parameters":{"ti'})

# Where the rows of a turn stand: steps and their results in between.
PREFACE, PROMPT, STEPS, OTHER_ANSWER, ANSWER, EVENT = 0, 1, 10, 198, 199, 200


def _advice() -> pl.Series:
    """Compose answers of log-normal length from the sentences of each language."""
    lengths = log_normal(6, 0.8, _N_ADVICE)
    return pl.Series(
        [
            " ".join(said[(7 * i + j * (1 + i % 3)) % len(said)] for j in range(max(1, length)))
            for said in phrases.ADVICE.values()
            for i, length in enumerate(lengths)
        ]
    )


_ADVICE = _advice()

# One result in five comes at the very time of its call.
_RUNNING = pl.Series([0, 0, *(step * step * 31_250 for step in range(1, 9))])


_TURN = ("talk", "number", "turn", "is_agent")


def rows(dice: Dice, asked: pl.DataFrame, tried: pl.DataFrame) -> pl.DataFrame:
    """Lay the rows of all turns out in order, each with the microseconds since the one before."""
    prompts = asked.select(
        *_TURN,
        turn_row="row",
        slot=PROMPT,
        role=pl.lit("user"),
        kind=pl.lit("chat"),
        content="request",
        delay=pl.when(pl.col("turn") == 0)
        .then(0)
        .otherwise(dice.pick("thinking", log_normal(45_000, 1.3)) * 1000)
        + dice.whole("thinking, rest", 0, 999),
    )
    parts = [*_prefaces(asked), prompts, *_steps(dice, asked, tried), *_answers(dice, asked, tried)]
    return (
        pl.concat(parts, how="diagonal_relaxed")
        .sort("number", "turn", "slot")
        .with_row_index("row")
    )


def _prefaces(asked: pl.DataFrame) -> list[pl.DataFrame]:
    """Make what nobody said: injected instructions, summaries, commands and events."""
    talk, turn, last = pl.col("talk"), pl.col("turn"), pl.col("turn").max().over("talk")
    return [
        asked.filter(which).select(
            *_TURN,
            turn_row="row",
            slot=pl.lit(slot),
            role=pl.lit(role),
            kind=pl.lit(kind),
            content=pl.lit(content, dtype=pl.String),
            delay=pl.lit(0, dtype=pl.Int64),
        )
        for which, slot, role, kind, content in (
            ((talk % 12 == 5) & (turn == 0), PREFACE, "system", "injected", phrases.INSTRUCTIONS),
            ((turn > 0) & (turn % 12 == 0), PREFACE, "system", "summary", phrases.SUMMARY),
            ((talk % 33 == 7) & (turn == 1), PREFACE, "user", "command", "/export"),
            ((talk % 25 == 3) & (turn == last), EVENT, "system", "event", None),
        )
    ]


def _steps(dice: Dice, asked: pl.DataFrame, tried: pl.DataFrame) -> list[pl.DataFrame]:
    """Make the rows that only call tools, and the rows that only carry their results.

    An agent's log has them; the application's own log keeps both in the answer.
    """
    turn = asked.select("talk", "number", "turn", "is_agent", turn_row="row")
    steps = tried.filter("is_agent").with_columns(slot=STEPS + 20 * pl.col("step"))
    results = steps.filter(pl.col("result").is_not_null())
    return [
        steps.unique(["turn_row", "slot"], keep="first", maintain_order=True)
        .select(
            *("turn_row", "slot"),
            role=pl.lit("assistant"),
            kind=pl.lit("chat"),
            finish_reason=pl.lit("tool_calls"),
            delay=dice.whole("calling", 800_000, 6_000_000),
        )
        .join(turn, on="turn_row"),
        results.select(
            "turn_row",
            slot=pl.col("slot") + 1 + pl.col("ordinal"),
            role=pl.lit("tool"),
            kind=pl.lit("tool_result"),
            content="result",
            delay=dice.pick("running", _RUNNING),
        ).join(turn, on="turn_row"),
    ]


def _answers(dice: Dice, asked: pl.DataFrame, tried: pl.DataFrame) -> list[pl.DataFrame]:
    """Make the answer of every turn, and for some turns one that it replaced."""
    ends = tried.group_by("turn_row").agg(
        failed=pl.col("outcome").sort_by("ordinal", "attempt").last() != "ok",
        n_calls=pl.len(),
    )
    row, language = pl.col("row"), pl.col("language")
    advice = pl.lit(_ADVICE).gather(language * _N_ADVICE + dice.whole("advice", 0, _N_ADVICE - 1))
    said = (
        pl.when("failed").then(_in_language(phrases.FAILED)).otherwise(_in_language(phrases.DONE))
    )
    opening = pl.when(pl.col("failed").is_not_null()).then(fill_in(said, ["title"]))
    talks_on = pl.col("failed").is_null() | dice.chance("advises", 0.6)
    unread = ~pl.col("is_agent") & pl.col("n_calls").is_null() & (row % 60 == 7)
    answers = asked.join(ends, left_on="row", right_on="turn_row", how="left").select(
        *_TURN,
        turn_row="row",
        slot=ANSWER,
        role=pl.lit("assistant"),
        kind=pl.lit("chat"),
        content=pl.when(row % 400 != 399).then(  # a reply that failed
            pl.concat_str(opening, pl.when(talks_on).then(advice), separator=" ", ignore_nulls=True)
        ),
        other=advice,
        delay=pl.when(dice.chance("tie", 0.02))
        .then(0)
        .otherwise(dice.pick("answering", log_normal(2500, 0.7)) * 1000),
        finish_reason=pl.lit("stop"),
        extra=pl.when(unread).then(pl.lit(_CUT_OFF)),
    )
    replaced = answers.filter(pl.col("turn_row") % 90 == 45).with_columns(
        content="other", slot=pl.lit(OTHER_ANSWER), extra=pl.lit(None, dtype=pl.String)
    )
    return [answers.drop("other"), replaced.drop("other")]


def _in_language(words: dict[str, str]) -> pl.Expr:
    return pl.lit(pl.Series(list(words.values()))).gather("language")
