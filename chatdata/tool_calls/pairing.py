"""Results that stand apart from their calls: in a column beside them, or as items of their own."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from chatdata.tool_calls.decode import NOTHING, as_text, decode
from chatdata.tool_calls.items import (
    ARGUMENTS,
    IDS,
    NAMES,
    RESULTS,
    SERVERS,
    Item,
    first,
    first_text,
    is_output,
)
from chatdata.tool_calls.outcome import FLAGS

CALL_IDS = ("tool_call_id", "call_id", "toolCallId", "tool_use_id", "toolUseId")
_RESULT_IDS = (*CALL_IDS, "id")
_RESULT_KEYS = ("result", "content", *RESULTS[1:])
# Keys of a result that say again what its call says, or mean something else there.
_OF_CALL = frozenset((*NAMES, *ARGUMENTS, *RESULTS, *_RESULT_IDS, *SERVERS, "type"))


class Companions(NamedTuple):
    """The results of a column beside the calls."""

    outputs: list[Item]
    exact: bool


class Paired(NamedTuple):
    """How many results found no call, and whether a call was given a second, different one."""

    n_unmatched: int
    keep: bool


def companions(text: str) -> Companions:
    """Read a column of results that stands beside the column of calls."""
    if text.strip() in NOTHING:
        return Companions([], exact=True)
    try:
        value, exact = decode(text)
    except ValueError:
        return Companions([{"result": text}], exact=True)
    if value is None or value == {}:
        return Companions([], exact)
    return Companions(as_outputs(value), exact)


def as_outputs(value: object) -> list[Item]:
    """Give one result or a list of them as objects."""
    results = value if isinstance(value, (list, tuple)) else [value]
    return [result if isinstance(result, dict) else {"result": result} for result in results]


def pair(calls: list[Item], outputs: list[Item], *, keep: bool) -> Paired:
    """Put results into their calls, by id, by name, else by order.

    `keep` is what earlier ones came to.
    """
    by_id = {
        as_text(call[key]): call
        for call in reversed(calls)
        for key in IDS
        if call.get(key) is not None
    }
    n_unmatched = 0
    unnamed = []
    matched = set()
    for output in outputs:
        key = first(output, _RESULT_IDS)
        call = by_id.get(as_text(output[key])) if key else None
        if call is not None:
            keep |= not _attach(call, output)
            matched.add(id(call))
        elif by_id and (key in CALL_IDS or (key and first(output, _RESULT_KEYS))):
            n_unmatched += 1
        else:
            unnamed.append(output)
    waiting = [call for call in calls if id(call) not in matched]
    for call, output in _by_name(waiting, unnamed):
        keep |= not _attach(call, output)
        waiting = [one for one in waiting if one is not call]
        unnamed = [one for one in unnamed if one is not output]
    if len(unnamed) != len(waiting):
        return Paired(n_unmatched + len(unnamed), keep)
    for call, output in zip(waiting, unnamed, strict=True):
        keep |= not _attach(call, output)
    return Paired(n_unmatched, keep)


def _by_name(calls: list[Item], outputs: list[Item]) -> list[tuple[Item, Item]]:
    """Pair the calls and the results that alone have a name."""
    called, told = _alone(calls), _alone(outputs)
    return [(called[name], told[name]) for name in called if name in told]


def _alone(items: list[Item]) -> dict[str, Item]:
    """Give the items whose name no other has, by that name."""
    named = [(item[key], item) for item in items if (key := first_text(item, NAMES))]
    n_named = Counter(name for name, _ in named)
    return {name: item for name, item in named if n_named[name] == 1}


def _attach(call: Item, output: Item) -> bool:
    """Put a result into its call; say no where the call has another one already."""
    answer: str | None = None
    result: object = output
    if _is_envelope(output) or _is_of(call, output):
        answer = first(output, _RESULT_KEYS)
        result = None if answer is None else output[answer]
        for key, value in output.items():
            if key != answer and key not in _OF_CALL and call.get(key) is None:
                call[key] = value
    has = first(call, RESULTS)
    if has is None or call[has] in ({}, ""):
        call["result"] = result
        return True
    return result is None or result == call[has]


def _is_of(call: Item, output: Item) -> bool:
    """Tell an object that holds a result beside the name of its call."""
    names = {item[key] for item in (call, output) if (key := first_text(item, NAMES))}
    said = first_text(output, NAMES) and first(output, _RESULT_KEYS)
    return bool(said) and len(names) == 1


def _is_envelope(output: Item) -> bool:
    """Tell an object that names its call, or its result, from one that is the result itself."""
    if first(output, CALL_IDS) or is_output(output) or "result" in output:
        return True
    is_named = first(output, _RESULT_KEYS) or output.keys() <= {"id", *FLAGS}
    return output.get("id") is not None and bool(is_named)
