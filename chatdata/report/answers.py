"""What each notebook asks, answered in sentences with their n.

```python
from chatdata.report import answers

answers.tool_calls(cd.scan("sample"))
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from chatdata import analysis
from chatdata.notebook.words import Words, words
from chatdata.report import findings, findings_calls
from chatdata.report.figure import amount, many, number, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from chatdata.chats import Chats
    from chatdata.report.figure import Figure

_CHANCE = 0.05
_FEWEST = 20
"""Of how few no interval is told."""
_NO_NAME = "(no name)"


def overview(chats: Chats[pl.LazyFrame]) -> Words:
    """Say what is in a log, from when, and how much of it repeats."""
    found = (findings.size, findings.sources, findings.span, findings.certified)
    told = [each(chats) for each in (*found, findings_calls.rejects)]
    return words([*_told(told), office_hours(chats)])


def tool_calls(chats: Chats[pl.LazyFrame]) -> Words:
    """Say which tools are called, how often calls fail, and how."""
    return words([*_told(findings_calls.tool_findings(chats)), error_classes(chats)])


def conversation_length(chats: Chats[pl.LazyFrame]) -> Words:
    """Say how long conversations are and last, how many turns that is, and how they end."""
    told = [*_told([findings.lengths(chats)]), *durations(chats)]
    return words([*told, writing(chats), waiting(chats), *_told([findings.unanswered(chats)])])


def tool_sequences(chats: Chats[pl.LazyFrame]) -> Words:
    """Say what follows a call, what an error, and how long calls take."""
    if chats.tool_calls.head(1).collect().is_empty():
        return words(["No tool was called, so nothing follows a call."])
    told = [next_call(chats), after_errors(chats), repeats(chats), loops(chats)]
    return words([*told, *_told([findings_calls.latency(chats)])])


def survival_and_sessions(chats: Chats[pl.LazyFrame]) -> Words:
    """Say how far conversations get, whether models differ, and who comes back."""
    told = [reach(chats), cohorts(chats), *_told([findings.sessions(chats)])]
    return words([*told, returning(chats)])


def trust(chats: Chats[pl.LazyFrame]) -> Words:
    """Say what is wrong with a log, what it lacks and what could not be read."""
    counted = _told([findings_calls.rejects(chats), findings.certified(chats)])
    return words([checks(chats), *counted, filled(chats), silence(chats)])


def office_hours(chats: Chats[pl.LazyFrame], time_zone: str = "UTC") -> str:
    """Say how much is written in office hours; nothing where no prompt has a time."""
    hours = analysis.hour_of_week(chats, time_zone=time_zone)
    n = _sum(hours, "n_prompts")
    if not n:
        return ""
    office = hours.filter(pl.col("weekday") <= 5, pl.col("hour").is_between(8, 17))  # noqa: PLR2004 - Friday, 8 to 18
    share = _sum(office, "n_prompts") / n
    return (
        f"Of {many(n, 'prompt')} with a time, {percent(share)} are written from Monday to Friday "
        f"between 8:00 and 18:00 ({time_zone})."
    )


def error_classes(chats: Chats[pl.LazyFrame]) -> str:
    """Say how most calls fail; nothing where none is recorded as failed."""
    by_class = (
        analysis.tool_errors(chats)
        .group_by(pl.col("error_class").fill_null("unknown"))
        .agg(pl.col("n_errors").sum())
        .sort("n_errors", "error_class", descending=[True, False])
    )
    if by_class.is_empty():
        return ""
    kinds = by_class.with_columns(pl.col("error_class").str.replace_all("_", " ", literal=True))
    (kind, n), *others = kinds.iter_rows()
    then = f", then {others[0][0]} ({others[0][1]:,})" if others else ""
    total = _sum(kinds, "n_errors")
    share = percent(n / total)
    if kind == "unknown" and not others:
        return f"The log does not tell why {many(total, 'call')} failed."
    if kind == "unknown":
        return f"Of {many(total, 'error')}, the log does not tell why {n:,} failed ({share}){then}."
    return f"Of {many(total, 'error')}, most often the cause is {kind}: {n:,} ({share}){then}."


def durations(chats: Chats[pl.LazyFrame]) -> Iterator[str]:
    """Say how long conversations last, and how much the definitions of a turn differ."""
    rows = {row["metric"]: row for row in analysis.length_distribution(chats).to_dicts()}
    if not rows:
        return
    active = rows["duration_active_s"]
    if active["n_conversations"]:
        yield (
            f"Half of the {many(active['n_conversations'], 'conversation')} with times are active "
            f"for {_span(active['p50'])} or less, nine in ten for {_span(active['p90'])} or less; "
            "pauses count as five minutes at most."
        )
    else:
        yield "No finished conversation has two times, so nothing is said about how long they last."
    means = {name: row["mean"] for name, row in rows.items() if name.startswith("turns_")}
    known = {name.removeprefix("turns_"): n for name, n in means.items() if n is not None}
    if known:
        least, most = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
        yield (
            f"A conversation has {amount(known['prompt'], 'turn')} on average if each begins at a "
            f"prompt; by other definitions in use from {number(known[least])} to "
            f"{number(known[most])}."
        )


def writing(chats: Chats[pl.LazyFrame]) -> str:
    """Say who writes how much."""
    shares = analysis.talk_share_distribution(chats)
    n = _sum(shares, "n_chars")
    if not n:
        return "No message has text, so nothing is said about who writes how much."
    share = dict(shares.select("role", "share").iter_rows())
    return (
        f"Of {many(n, 'character')}, people write {percent(share['user'])}, models "
        f"{percent(share['assistant'])} and tools {percent(share['tool'])}."
    )


def waiting(chats: Chats[pl.LazyFrame]) -> str:
    """Say how long people wait for an answer."""
    response = analysis.response_times(chats).row(by_predicate=pl.col("measure") == "response")
    _, n, _, half, most, *_ = response
    if not n:
        return "No prompt and its answer both have a time, so nothing is said about waiting."
    return (
        f"In half of {many(n, 'turn')} people wait {number(half)} s or less for the first answer, "
        f"in nine of ten {number(most)} s or less."
    )


def next_call(chats: Chats[pl.LazyFrame]) -> str:
    """Say which tool follows which most often, and how often a tool follows itself."""
    pairs = analysis.tool_transitions(chats)
    if pairs.is_empty():
        return "No call follows another, so nothing is said about what follows what."
    n = _sum(pairs, "n_transitions")
    first = pairs.sort("n_transitions", "name", "next_name", descending=[True, False, False])
    name, then, times = first.select("name", "next_name", "n_transitions").row(0)
    same = _sum(pairs.filter(pl.col("name").eq_missing(pl.col("next_name"))), "n_transitions")
    return (
        f"Of {many(n, 'pair')} of calls, the most frequent is {then or _NO_NAME} after "
        f"{name or _NO_NAME} ({times:,}); in {percent(same / n)} a tool follows itself."
    )


def after_errors(chats: Chats[pl.LazyFrame]) -> str:
    """Say how often an error is tried again, and whether that helps."""
    recovery = analysis.tool_recovery(chats)
    n = _sum(recovery, "n_errors")
    if not n:
        return "No call on a main path is recorded as failed, so there is nothing to recover from."
    if not _sum(recovery, "n_tried_again"):
        return f"After none of {many(n, 'error')} the tool is tried again in the same turn."
    tried, recovered = _sum(recovery, "n_tried_again"), _sum(recovery, "n_recovered")
    return (
        f"After {tried:,} of {many(n, 'error')} the tool is tried again in the same turn, after "
        f"{recovered:,} ({percent(recovered / n)} of all) with success."
    )


def repeats(chats: Chats[pl.LazyFrame]) -> str:
    """Say how many calls are made again with the same arguments; nothing without calls."""
    again = analysis.tool_repeats(chats)
    n = _sum(again, "n_tool_calls")
    if not n:
        return ""
    exact = _sum(again, "n_repeats_exact")
    retries, same = _sum(again, "n_retries"), _sum(again, "n_retries_exact")
    unchanged = f"{same:,}" if same else "none"
    told = f"{retries:,} are retries, {unchanged} of them unchanged"
    if retries <= 1:
        told = f"1 is a retry, {'un' if same else ''}changed" if retries else "none is a retry"
    repeat = "repeats" if exact == 1 else "repeat"
    return (
        f"Of {many(n, 'call')} on main paths, {exact:,} {repeat} one of the same turn to the "
        f"letter though it had not failed; {told}."
    )


def loops(chats: Chats[pl.LazyFrame]) -> str:
    """Say whether agents go round in circles."""
    found = analysis.tool_loops(chats)
    if found.is_empty():
        return "No stretch of calls only repeats what was called shortly before."
    n = _sum(found, "n_tool_calls")
    stretches = f"{many(len(found), 'stretch', 'stretches')} of calls only"
    repeat = "repeats" if len(found) == 1 else "repeat"
    return f"{stretches} {repeat} what was called shortly before, {many(n, 'call')} in all."


def reach(chats: Chats[pl.LazyFrame]) -> str:
    """Say how far half of the conversations get, and how many go beyond the first prompt."""
    curve = analysis.prompt_survival(chats)
    if curve.is_empty():
        return "No conversation has a prompt, so nothing is said about how far they get."
    n = curve["n_at_risk"][0]
    if len(curve) == 1:
        return f"Of {many(n, 'conversation')} with a prompt not one goes beyond its first prompt."
    half = curve.filter(pl.col("survival") >= 1 / 2)["prompt"][-1]
    second = curve.filter(pl.col("prompt") == 2)  # noqa: PLR2004 - the prompt after the first
    beyond = ""
    if not second.is_empty() and second["survival_low"][0] is not None:
        share, low, high = second.select("survival", "survival_low", "survival_high").row(0)
        interval = f" (95 % interval {percent(low)} to {percent(high)})" if n >= _FEWEST else ""
        beyond = f" {percent(share)} reach a second one{interval}."
    return f"Half of {many(n, 'conversation')} with a prompt reach prompt {half} or more.{beyond}"


def cohorts(chats: Chats[pl.LazyFrame]) -> str:
    """Say whether the conversations of models get equally far."""
    models = analysis.survival_by_cohort(chats, by="model").drop_nulls("p_value")
    if models.is_empty():
        return "No two models can be compared in how far their conversations get."
    apart = models.filter(pl.col("p_value") < _CHANCE / len(models))
    n_conversations = _sum(models, "n_conversations")
    n = f"{many(n_conversations, 'conversation')} of {many(len(models), 'model')}"
    if apart.is_empty():
        least = models.select(pl.col("p_value").min()).item()
        return (
            f"Models do not differ by more than chance in how far conversations get (log-rank over "
            f"{n}, least p = {least:.2f})."
        )
    further = pl.col("n_ended") < pl.col("expected_ended")
    told = [
        f"{', '.join(some.select(pl.format('{} (p {})', 'cohort', _p())).to_series())} {how}"
        for how, some in (
            ("get further", apart.filter(further)),
            ("end sooner", apart.filter(~further)),
        )
        if some.height
    ]
    return (
        "Models differ by more than chance in how far conversations get (log-rank of each against "
        f"the others, over {n}): those of {', those of '.join(told)}."
    )


def returning(chats: Chats[pl.LazyFrame], time_zone: str = "UTC") -> str:
    """Say how many users write again in a later week; nothing where sessions cannot be told."""
    weeks = analysis.weekly_retention(chats, time_zone=time_zone)
    later = weeks.filter(pl.col("weeks_later") == 1)
    n, n_could = _sum(later, "n_users"), _sum(later, "n_cohort")
    if weeks.is_empty():
        return ""
    if not n_could:
        return "The log ends in the week in which it begins, so nobody could come back in another."
    who = f"{many(n_could, 'user')} whose first week is not the log's last"
    return f"Of {who}, {n:,} ({percent(n / n_could)}) write in the week after it."


def checks(chats: Chats[pl.LazyFrame]) -> str:
    """Name what does not fit together, most frequent first."""
    done = analysis.quality_checks(chats)
    found = done.filter(pl.col("n") > 0).sort("n", "problem", descending=[True, False])
    if found.is_empty():
        return f"Not one of {len(done)} checks found anything amiss."
    rows = found.head(3).iter_rows(named=True)
    words = [f"{each['problem']} ({each['n']:,} of {each['n_checked']:,})" for each in rows]
    return f"Of {len(done)} checks, {len(found)} found something: {', '.join(words)}" + (
        ", and others." if len(found) > len(words) else "."
    )


def filled(chats: Chats[pl.LazyFrame]) -> str:
    """Say which columns the log never fills, by what they are needed for."""
    columns = analysis.completeness(chats)
    n_empty = columns.filter(pl.col("n_present") == 0).height
    lacking = [
        what
        for what, (frame, column) in _NEEDED.items()
        if not _sum(columns.filter(frame=frame, column=column), "n_present")
    ]
    without = f"; nothing can be said about {_listed(lacking)}" if lacking else ""
    return f"The log fills {len(columns) - n_empty} of {many(len(columns), 'column')}{without}."


# What a column is needed for.
_NEEDED = {
    "who wrote": ("conversations", "user_id"),
    "when": ("messages", "created_at"),
    "models": ("messages", "model"),
    "tokens": ("messages", "output_tokens"),
    "tool calls": ("tool_calls", "name"),
    "how long calls take": ("tool_calls", "ended_at"),
}


def silence(chats: Chats[pl.LazyFrame]) -> str:
    """Say for how long the log is silent; nothing where no message has a time."""
    origins = analysis.coverage(chats).drop_nulls("first_at")
    if origins.is_empty():
        return ""
    longest = origins.select(pl.col("longest_silence_days").max()).item()
    where = "" if len(origins) == 1 else f" in one of {many(len(origins), 'source')}"
    if not longest:
        return "There is no day without a message between the first and the last."
    return f"The longest stretch without a message is {many(longest, 'day')}{where}."


def _sum(frame: pl.DataFrame, column: str) -> int:
    return int(frame.get_column(column).sum())


def _told(figures: Iterable[Figure]) -> list[str]:
    return [str(each.show(each.answer)) for each in figures]


def _p() -> pl.Expr:
    p = pl.col("p_value")
    return pl.when(p < 0.001).then(pl.lit("< 0.001")).otherwise(pl.format("= {}", p.round(3)))  # noqa: PLR2004 - as small as is told


def _span(seconds: float) -> str:
    """Write a time: "12 s", "3.4 min", "2 h"."""
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= length:
            return f"{number(round(seconds / length, 1))} {unit}"
    return f"{number(round(seconds, 1))} s"


def _listed(names: list[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
