"""States of LangGraph as they are stored: decoded, their messages found and read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from chatdata.formats import chat_message, langchain
from chatdata.formats.base import UNEXPECTED
from chatdata.formats.content import text
from chatdata.formats.media import identified, without_bytes
from chatdata.formats.rows import ROLES, Message

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHANNEL = "messages"
_CLASSES = (2, 4, 5)
"""The extension types of an object made from its class and its fields; of others, one argument."""
_NUMPY = 6
_PAIR = 2


class Decoder:
    """Reads states; what stood for a message before, stands for the same again."""

    def __init__(self) -> None:
        self._messages: dict[bytes, Any] = {}

    def state(self, kind: Any, stored: Any) -> dict[str, Any]:  # noqa: ANN401 - any column
        """Decode a checkpoint.

        Raises:
            TypeError: it is none, or of another serializer.
            ValueError: it is damaged.
        """
        if kind == "msgpack":
            state = msgspec.msgpack.decode(stored, ext_hook=self._object)
        elif kind == "json":
            state = msgspec.json.decode(stored)
        else:
            raise TypeError("another serializer")
        if not isinstance(state, dict):
            raise TypeError("no state")
        return state

    def _object(self, code: int, data: memoryview) -> Any:  # noqa: ANN401 - any value
        """Read an object of Python: by its fields as LangChain's JSON has it, or its argument."""
        if code == _NUMPY:
            return bytes(data)
        key = bytes(data)
        if key in self._messages:
            return self._messages[key]
        module, name, found, *_ = msgspec.msgpack.decode(data, ext_hook=self._object)
        if code not in _CLASSES:
            return found
        path = [*str(module).split("."), name]
        made = {"lc": 1, "type": "constructor", "id": path, "kwargs": found}
        if _is_message(made):
            # States repeat all messages that earlier ones have; other objects may be large.
            self._messages[key] = made
        return made


def messages_in(channels: dict[str, Any]) -> tuple[str | None, list[Any]]:
    """Find the channel of messages, the usual one or the first that holds any, and what it holds.

    A function that saves its state as a whole has it under one name.
    """
    if isinstance(channels.get(_CHANNEL), list):
        return _CHANNEL, channels[_CHANNEL]
    for name, value in channels.items():
        if name == "__start__":
            continue
        found = value.get(_CHANNEL) if isinstance(value, dict) else value
        if isinstance(found, list) and found and all(map(_is_message, found)):
            return name, found
    return None, []


def message(source: Any) -> Message:  # noqa: ANN401 - any value
    """Read a message, in any form that LangGraph takes for one; what is none is an event."""
    plain = to_json(source)
    if isinstance(plain, str):
        return Message(role_raw="user", content=plain)
    if isinstance(plain, list) and len(plain) == _PAIR and isinstance(plain[0], str):
        plain = {"role": plain[0], "content": plain[1]}
    try:
        return _read(plain)
    except UNEXPECTED:
        return Message(role_raw="unknown", role="system", kind="event", extra={"message": plain})


def id_of(source: Any) -> str | None:  # noqa: ANN401 - any value
    """Find the id of a message, which a dumped one keeps among its fields."""
    if not isinstance(source, dict):
        return None
    fields = source.get("kwargs") or source.get("data")
    return text((fields if isinstance(fields, dict) else source).get("id"))


def to_json(value: Any) -> Any:  # noqa: ANN401 - any value
    """Give what JSON can hold: bytes by their hash, keys as text."""
    return without_bytes(_plain(value))


def _read(plain: dict[str, Any]) -> Message:
    fields = plain.get("kwargs") if plain.get("lc") == 1 else None
    if isinstance(fields, dict) and isinstance(fields.get("type"), str):
        # A class of the application's own says by its fields what kind of message it is.
        return langchain.message(fields)
    if langchain.is_message(plain):
        return langchain.message(plain)
    return chat_message.message(plain)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value
    if isinstance(value, bytes):
        return identified(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _is_message(value: Any) -> bool:  # noqa: ANN401 - any value
    if isinstance(value, list):
        return len(value) == _PAIR and str(value[0]).lower() in ROLES
    return isinstance(value, dict) and any(_signs(value))


def _signs(value: dict[str, Any]) -> Iterator[bool]:
    fields = value.get("kwargs") if value.get("lc") == 1 else None
    yield isinstance(fields, dict) and "content" in fields and "type" in fields
    yield "role" in value and ("content" in value or "tool_calls" in value)
    yield langchain.is_message(value)


def same(one: Any, other: Any) -> bool:  # noqa: ANN401 - any values
    """Compare what two messages were read from; a number that is none equals itself."""
    return one is other or one == other or repr(one) == repr(other)
