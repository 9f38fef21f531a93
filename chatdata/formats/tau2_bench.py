"""tau2-bench runs: `{timestamp, info, tasks, simulations: [{id, task_id, trial, messages}]}`.

One simulation is one conversation. The user can call tools too: `requestor` says who did. A message
of several tools (`tool_messages`) is one row with several results. Voice runs have `ticks` instead
of messages: their calls, with their results, belong to no message. Rewards and costs are in
`extra`.

Gives: times, tokens, calls with results and outcomes. Does not give: models of messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.formats.base import SURE, Evidence, Format, Reading
from chatdata.formats.chat_message import message as chat_message
from chatdata.formats.chat_message import usage
from chatdata.formats.content import rest, text
from chatdata.formats.items import output_text
from chatdata.formats.rows import Call, Conversation, Message, Result
from chatdata.formats.times import at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_TAKEN = frozenset({"id", "messages", "start_time", "end_time"})
_WHOSE = ("agent", "user")


def _parse(reading: Reading) -> Iterator[Conversation]:
    return reading.each(lambda record: _conversations(record, reading.time_zone))


def _conversations(record: Record, time_zone: str) -> list[Conversation]:
    source = record.value
    if "simulations" not in source and ("messages" in source or "ticks" in source):
        return [_conversation(source, record.number, 1, time_zone)]
    listed = source.get("simulations") or ()
    found = [_conversation(item, place, 0, time_zone) for place, item in enumerate(listed, 1)]
    if found:
        found[0].n_records = 1
        found[0].extra["run"] = rest(source, frozenset({"simulations"}))
        return found
    return []


def _conversation(
    source: dict[str, Any], ordinal: int, n_records: int, time_zone: str
) -> Conversation:
    id_ = source.get("id")
    conversation = Conversation(
        ordinal=ordinal,
        id=None if id_ is None else str(id_),
        native_id=None if id_ is None else str(id_),
        relation="trial",
        created_at=at(source.get("start_time"), time_zone),
        updated_at=at(source.get("end_time"), time_zone),
        messages=[_message(item, time_zone) for item in source.get("messages") or ()],
        calls_by_place=True,
        n_records=n_records,
        extra=rest(source, _TAKEN),
    )
    for tick in source.get("ticks") or ():
        for who in _WHOSE:
            conversation.calls += [_call(call) for call in tick.get(f"{who}_tool_calls") or ()]
            for result in tick.get(f"{who}_tool_results") or ():
                _answer(conversation.calls, _result(result))
    return conversation


def _answer(calls: list[Call], result: Result) -> None:
    """Give the waiting call of that id its result, which no message carries."""
    same = (call for call in calls if call.native_id == result.native_id and not call.has_result)
    call = next(same, None)
    if call is not None:
        call.has_result, call.result, call.status = True, result.text, result.status
        call.error_source, call.error_class = result.error_source, result.error_class


def _message(source: dict[str, Any], time_zone: str) -> Message:
    nested = source.get("tool_messages")
    plain = rest(source, frozenset({"tool_messages", "tool_calls", "turn_idx", "timestamp"}))
    row = chat_message({"role": "tool", **plain}, time_zone)
    turn = source.get("turn_idx")
    row.native_id = None if turn is None else str(turn)
    row.at = at(source.get("timestamp"), time_zone)
    row.usage = usage(source.get("usage"))
    row.calls = [_call(call) for call in source.get("tool_calls") or ()]
    answers = nested if isinstance(nested, list) else [source] if row.results else []
    row.results = [_result(answer) for answer in answers]
    if isinstance(nested, list):
        row.role, row.kind, row.extra["tool_messages"] = "tool", "tool_result", nested
    return row


def _call(source: dict[str, Any]) -> Call:
    return Call(
        name=text(source.get("name")),
        native_id=text(source.get("id")),
        arguments=source.get("arguments"),
        extra=rest(source, frozenset({"id", "name", "arguments"})),
    )


def _result(source: dict[str, Any]) -> Result:
    failed = source.get("error")
    return Result(
        native_id=text(source.get("id")),
        text=output_text(source.get("content")),
        status="error" if failed is True else "ok" if failed is False else "unknown",
        error_source="explicit" if failed is True else None,
        error_class="unknown" if failed is True else None,
    )


def _sniff(evidence: Evidence) -> float:
    value = evidence.value
    if evidence.kind == "prefix":
        keys = ('"simulations"', '"info"')
        return SURE if all(key in evidence.text for key in keys) else 0.0
    if not isinstance(value, dict):
        return 0.0
    simulation = "termination_reason" in value and value.keys() & {"ticks", "messages"}
    listed = value.get("simulations")
    run = {"info", "tasks", "timestamp"} <= value.keys() or (
        isinstance(listed, list)
        and ("info" in value or any("termination_reason" in item for item in listed[:1]))
    )
    return SURE if simulation or run else 0.0


FORMAT = Format("tau2-bench", "tau2-bench simulations", _sniff, _parse, __doc__)
