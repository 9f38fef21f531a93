"""Decoded values to flat items: wrappers, nested calls, results that stand apart."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from chatdata.tool_calls.decode import Decoded, as_text, decode
from chatdata.tool_calls.outcome import FLAGS

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = ("tool_name", "name", "tool", "function_name", "tool_used", "toolName", "function")
ARGUMENTS = (
    "arguments",
    "parameters",
    "params",
    "args",
    "input",
    "tool_input",
    "input_json",
    "args_json",
    "tool_parameters",
    "parameters_json",
)
RESULTS = (
    "result",
    "output",
    "outputs",
    "tool_output",
    "output_json",
    "result_json",
    "execution_result",
    "tool_result",
    "response",
)
IDS = ("id", "call_id", "tool_call_id", "toolCallId")
SERVERS = ("server", "mcp_server", "server_name", "server_label")

_CONTAINERS = ("calls", "tools", "tool_calls", "tools_called")
_NESTED = ("call", "function", "toolInvocation")
_RESULT_IDS = ("tool_call_id", "call_id", "toolCallId", "tool_use_id", "id")
_RESULT_KEYS = ("result", "content", *RESULTS[1:])
_RESULT_TYPES = frozenset({"function_call_output", "custom_tool_call_output", "tool_result"})
_IDENTIFIER = re.compile(r"[A-Za-z_][\w.:/-]*", re.ASCII)

Item = dict[str, Any]

ABSENT = "\0"
"""Stands for the key that an item has not."""


class Keys(NamedTuple):
    """Which key of an item holds what; `ABSENT` where none does."""

    name: str
    arguments: str
    result: str
    id: str
    server: str
    has_flags: bool
    has_others: bool


class _Plan(NamedTuple):
    """Which of an item's keys can mean what, in the order they are tried."""

    names: tuple[str, ...]
    arguments: tuple[str, ...]
    results: tuple[str, ...]
    ids: tuple[str, ...]
    servers: tuple[str, ...]
    is_nested: bool
    keys: Keys
    is_ambiguous: bool


class Unwrapped(NamedTuple):
    """The items of a stored value, None where it is no list of calls; is there more to keep?"""

    items: Sequence[Any] | None
    keep: bool


class Sorted(NamedTuple):
    """The items of a list: calls, results that name their call, and how many are unusable."""

    calls: list[Item]
    outputs: list[Item]
    n_unusable: int


@lru_cache(maxsize=1024)
def _plan(keys: tuple[str, ...]) -> _Plan:
    names, arguments, results, ids, servers = parts = [
        tuple(key for key in synonyms if key in keys)
        for synonyms in (NAMES, ARGUMENTS, RESULTS, IDS, SERVERS)
    ]
    name, argument, result, id_key, server = (part[0] if part else ABSENT for part in parts)
    has_flags = any(key in FLAGS for key in keys)
    has_others = sum(map(bool, parts)) < len(keys)
    return _Plan(
        names,
        arguments,
        results,
        ids,
        servers,
        is_nested=any(key in _NESTED for key in keys),
        keys=Keys(name, argument, result, id_key, server, has_flags, has_others),
        is_ambiguous=max(map(len, parts)) > 1,
    )


@lru_cache(maxsize=1024)
def plain_keys(keys: tuple[str, ...]) -> Keys | None:
    """Say which key holds what in an item that can only be a call and nothing more."""
    plan = _plan(keys)
    odd = plan.is_nested or plan.is_ambiguous or not plan.names or "type" in keys
    return None if odd else plan.keys


def choose(item: Item) -> Keys:
    """Say which key of a flat item holds what: of several that can, the first with a value."""
    plan = _plan(tuple(item))
    if not plan.is_ambiguous:
        return plan.keys
    return plan.keys._replace(
        name=first_text(item, plan.names) or ABSENT,
        arguments=first(item, plan.arguments) or ABSENT,
        result=first(item, plan.results) or ABSENT,
        id=first(item, plan.ids) or ABSENT,
        server=first(item, plan.servers) or ABSENT,
    )


def first(item: Item, keys: tuple[str, ...]) -> str | None:
    """Give the first of the keys whose value is there."""
    for key in keys:
        if item.get(key) is not None:
            return key
    return None


def first_text(item: Item, keys: tuple[str, ...]) -> str | None:
    """Give the first of the keys whose value is a text that is not empty."""
    for key in keys:
        value = item.get(key)
        if value and isinstance(value, str):
            return key
    return None


def look_inside(decoded: Decoded, key: str) -> Decoded:
    """Take what one key of an object holds, which may be encoded again.

    Raises:
        ValueError: it holds a text that cannot be decoded.
    """
    found = decoded.value.get(key) if isinstance(decoded.value, dict) else None
    if not isinstance(found, str):
        return Decoded(found, decoded.exact)
    if not found.strip():
        return Decoded(None, decoded.exact)
    inner = decode(found)
    return Decoded(inner.value, decoded.exact and inner.exact)


def unwrap(value: object) -> Unwrapped:
    """Find the list of items in a stored value.

    A plain number in place of the list is a count: no list, but kept.
    """
    if isinstance(value, (list, tuple)):
        return Unwrapped(value, keep=False)
    if value is None or value == {}:
        return Unwrapped([], keep=False)
    if isinstance(value, dict):
        for key in _CONTAINERS:
            if key in value:
                return _unwrap_container(value[key], further=len(value) > 1)
        if flatten(value) is not None:
            return Unwrapped([value], keep=False)
    return Unwrapped(None, keep=isinstance(value, (int, float)))


def _unwrap_container(inner: object, *, further: bool) -> Unwrapped:
    if isinstance(inner, str):
        try:
            inner = decode(inner).value if inner.strip() else None
        except ValueError:
            return Unwrapped(None, keep=False)
    if isinstance(inner, dict):
        inner = [inner] if inner else []
    if inner is None or isinstance(inner, (list, tuple)):
        return Unwrapped(inner or (), keep=further)
    return Unwrapped(None, keep=isinstance(inner, (int, float)))


def sort_items(items: Sequence[Any]) -> Sorted:
    """Part the items of a list into calls, results that name their call, and the unusable."""
    calls: list[Item] = []
    outputs: list[Item] = []
    for item in items:
        if isinstance(item, dict) and item.get("type") in _RESULT_TYPES:
            outputs.append(item)
        elif (call := flatten(item)) is not None:
            calls.append(call)
    return Sorted(calls, outputs, len(items) - len(calls) - len(outputs))


def flatten(item: object) -> Item | None:
    """Bring an item to one flat object with a name, or None if it is not a call."""
    if isinstance(item, str):
        if _IDENTIFIER.fullmatch(item):
            return {"name": item}
        try:
            item = decode(item).value
        except ValueError:
            return None
    if not isinstance(item, dict):
        return None
    plan = _plan(tuple(item))
    if plan.is_nested:
        for key in _NESTED:
            if isinstance(item.get(key), dict):
                item = {**{k: v for k, v in item.items() if k != key}, **item[key]}
        plan = _plan(tuple(item))
    return item if first_text(item, plan.names) else None


def companions(text: str) -> list[Item]:
    """Read a column of results that stands beside the column of calls."""
    try:
        value, _ = decode(text)
    except ValueError:
        return [{"result": text}]
    if value is None or value == {}:
        return []
    results = value if isinstance(value, (list, tuple)) else [value]
    return [
        result if isinstance(result, dict) and _answer_key(result) else {"result": result}
        for result in results
    ]


def pair(calls: list[Item], outputs: list[Item]) -> int:
    """Put results into their calls, by id, else by order; return how many found no call."""
    by_id = {as_text(call[key]): call for call in reversed(calls) if (key := first(call, IDS))}
    n_unmatched = 0
    unnamed = []
    for output in outputs:
        key = first(output, _RESULT_IDS)
        call = by_id.get(as_text(output[key])) if key else None
        if call is not None:
            _attach(call, output)
        elif key and by_id:
            n_unmatched += 1
        else:
            unnamed.append(output)
    if len(unnamed) != len(calls):
        return n_unmatched + len(unnamed)
    for call, output in zip(calls, unnamed, strict=True):
        _attach(call, output)
    return n_unmatched


def _attach(call: Item, output: Item) -> None:
    answer = _answer_key(output)
    if answer and first(call, RESULTS) is None:
        call["result"] = output.get(answer)
    for flag in FLAGS:
        if flag in output and flag not in call:
            call[flag] = output[flag]


def _answer_key(output: Item) -> str | None:
    """Give the key that holds a result, in an object that names its call or its result."""
    if first(output, _RESULT_IDS):
        return first(output, _RESULT_KEYS) or "result"
    return "result" if "result" in output else None
