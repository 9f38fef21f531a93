"""Decoded values to flat items: wrappers, nested calls, and which key holds what."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from chatdata.tool_calls.decode import NOTHING, Decoded, decode
from chatdata.tool_calls.outcome import FLAGS

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = (
    "tool_name",
    "name",
    "tool",
    "function_name",
    "tool_used",
    "toolName",
    "function",
    "operation",
)
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
    "toolInput",
    "toolArgs",
    "tool_arguments",
    "tool_args",
    "tool_params",
    "function_arguments",
    "function_args",
    "action_input",
    "input_params",
    "kwargs",
    "payload",
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
    "toolOutput",
    "toolResult",
    "output_result",
    "tool_response",
    "toolResponse",
    "function_response",
    "return_value",
    "returned",
    "observation",
)
IDS = ("id", "call_id", "tool_call_id", "toolCallId", "toolUseId")
SERVERS = ("server", "mcp_server", "server_name", "server_label")

_CONTAINERS = ("calls", "tools", "tool_calls", "tools_called")
_RESULT_LISTS = ("results", "tool_results", "tool_outputs", "tool_responses", "outputs")
_NESTED = (
    *("call", "function", "toolInvocation", "functionCall", "function_call", "toolUse"),
    *("tool_call", "toolCall"),
)
_RESULT_TYPES = frozenset({"function_call_output", "custom_tool_call_output", "tool_result"})
_IDENTIFIER = re.compile(r"[A-Za-z_][\w.:/-]*", re.ASCII)

Item = dict[str, Any]

ABSENT: Any = object()
"""Stands for the key that an item has not; no stored key equals it."""


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
    """The items of a stored value, None where it is no list of calls; is there more to keep?

    `results` is what a wrapper holds beside the calls, a list of results.
    """

    items: Sequence[Any] | None
    exact: bool
    keep: bool = False
    results: object = None


class Sorted(NamedTuple):
    """The items of a list: calls, results that name their call, and how many are unusable."""

    calls: list[Item]
    outputs: list[Item]
    n_unusable: int
    exact: bool


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
    odd = plan.is_nested or plan.is_ambiguous or not plan.names
    return None if odd else plan.keys


def choose(item: Item) -> Keys:
    """Say which key of a flat item holds what: of several that can, the first with a value."""
    plan = _plan(tuple(item))
    if not plan.is_ambiguous:
        return plan.keys
    kind = item.get("type")
    # Responses items have an id of their own besides; results name the call's.
    is_response = isinstance(kind, str) and kind.endswith("_call")
    return plan.keys._replace(
        name=first_text(item, plan.names) or ABSENT,
        arguments=first(item, plan.arguments) or ABSENT,
        result=first(item, plan.results) or ABSENT,
        id=first(item, ("call_id", *plan.ids) if is_response else plan.ids) or ABSENT,
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
        if isinstance(value, str) and value.strip():
            return key
    return None


def look_inside(decoded: Decoded, key: str) -> Decoded:
    """Take what one key of an object holds, which may be encoded again.

    Raises:
        ValueError: it holds a text that cannot be decoded.
    """
    found = decoded.value.get(key) if isinstance(decoded.value, dict) else None
    return _decode_again(Decoded(found, decoded.exact))


def _decode_again(decoded: Decoded) -> Decoded:
    """Decode what is text once more; an empty text is nothing."""
    if not isinstance(decoded.value, str):
        return decoded
    if decoded.value.strip() in NOTHING:
        return Decoded(None, decoded.exact)
    inner = decode(decoded.value)
    return Decoded(inner.value, decoded.exact and inner.exact)


def only_list(value: object) -> list[Any] | None:
    """Give a list that is all there is, bare or as the one member of a wrapper; else None."""
    if type(value) is dict and len(value) == 1:
        ((key, value),) = value.items()
        if key not in _CONTAINERS:
            return None
    return value if type(value) is list else None


def unwrap(decoded: Decoded) -> Unwrapped:
    """Find the list of items in a stored value.

    A plain number in place of the list is a count: no list, but kept.
    """
    value, exact = decoded
    if isinstance(value, (list, tuple)):
        return Unwrapped(value, exact)
    if value is None or value == {}:
        return Unwrapped((), exact)
    if isinstance(value, dict):
        there = [key for key in _CONTAINERS if key in value]
        if there:
            key = next((key for key in there if value[key]), there[0])
            beside = next((key for key in _RESULT_LISTS if isinstance(value.get(key), list)), None)
            n_read = 1 if beside is None else 2
            found = _unwrap_container(Decoded(value[key], exact), further=len(value) > n_read)
            return found if beside is None else found._replace(results=value[beside])
        if flatten(value) is not None:
            return Unwrapped([value], exact)
    return Unwrapped(None, exact, keep=isinstance(value, (int, float)))


def _unwrap_container(decoded: Decoded, *, further: bool) -> Unwrapped:
    try:
        inner, exact = _decode_again(decoded)
    except ValueError:
        return Unwrapped(None, decoded.exact)
    if inner is None or inner == {}:
        return Unwrapped((), exact, keep=further)
    if isinstance(inner, dict):
        inner = [inner]
    if isinstance(inner, (list, tuple)):
        return Unwrapped(inner, exact, keep=further)
    return Unwrapped(None, exact, keep=isinstance(inner, (int, float)))


def sort_items(items: Sequence[Any], *, exact: bool) -> Sorted:
    """Part the items of a list into calls, results that name their call, and the unusable."""
    calls: list[Item] = []
    outputs: list[Item] = []
    for stored in items:
        item = stored
        if isinstance(stored, str):
            item, is_exact = _read_text(stored)
            exact = exact and is_exact
        if isinstance(item, dict) and "type" in item and is_output(item):
            outputs.append(item)
        elif (call := flatten(item)) is not None:
            calls.append(call)
    return Sorted(calls, outputs, len(items) - len(calls) - len(outputs), exact)


def _read_text(text: str) -> Decoded:
    if text not in NOTHING and _IDENTIFIER.fullmatch(text):
        return Decoded({"name": text}, exact=True)
    try:
        return decode(text)
    except ValueError:
        return Decoded(None, exact=True)


def is_output(item: Item) -> bool:
    """Tell a result among the items, as the Responses API writes them."""
    kind = item.get("type")
    return isinstance(kind, str) and kind in _RESULT_TYPES


def flatten(item: object) -> Item | None:
    """Bring an item to one flat object with a name, or None if it is not a call."""
    if not isinstance(item, dict):
        return None
    plan = _plan(tuple(item))
    if plan.is_nested:
        for key in _NESTED:
            item = _lifted(item, key)
        plan = _plan(tuple(item))
    # Nearly always `tool` is the name itself; an object there is the call where it has arguments.
    if isinstance(item.get("tool"), dict):
        lifted = _lifted(item, "tool")
        if first(lifted, ARGUMENTS):
            item, plan = lifted, _plan(tuple(lifted))
    if first_text(item, plan.names):
        return item
    if "action_input" in item and first_text(item, ("action",)):
        return {"name": item["action"], **{k: v for k, v in item.items() if k != "action"}}
    return None


def _lifted(item: Item, key: str) -> Item:
    """Merge what an object under a key holds into the item."""
    if not isinstance(item.get(key), dict):
        return item
    return {**{k: v for k, v in item.items() if k != key}, **item[key]}
