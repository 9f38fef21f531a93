"""OpenAI Responses API: response bodies `{id, object: "response", output: […], usage}`.

One body is one conversation, or a turn of one: `conversation` names it, else the first response
that `previous_response_id` leads to within the document, or a batch's `custom_id`, which joins its
requests and outcomes. Every message item is a row; reasoning items before it go with it. A call
belongs to the answer before it, else to the first one of its response, or to none; one whose
approval was refused is `denied`. Tokens and the reason for stopping stand once, on the last
message; a response without one keeps them in `extra.usage_unattached`, and `scan` says how many do.
`instructions` and the settings are in the conversation's `extra`, those of later turns under the id
of their response. The body of an error is no conversation. Of the events of a stream the last one
holds the response; a stream without it is a reject.

Gives: times, models, tokens, calls with results and outcomes where the item holds them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.formats import items
from chatdata.formats.base import LIKELY, POSSIBLE, SURE, Evidence, Format, Reading
from chatdata.formats.content import keep, rest, text, tool_names
from chatdata.formats.rows import Call, Conversation, Message, Result
from chatdata.formats.times import at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_TAKEN = frozenset({"id", "output", "model", "input", "created_at"})
_KINDS = frozenset(
    {"reasoning", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response", "compaction"}
)
_ENDS = frozenset({"response.completed", "response.failed", "response.incomplete"})


class _Open:
    """Conversations with calls whose results may come with a later request.

    Attributes:
        roots: the conversation of every response so far.
        calls: calls without a result, by conversation and id.
        parts: what was read of a conversation and waits with them.
    """

    def __init__(self) -> None:
        self.roots: dict[str, str] = {}
        self.calls: dict[str, dict[str, Call]] = {}
        self.parts: dict[str, list[Conversation]] = {}

    def released(self, part: Conversation) -> list[Conversation]:
        """Give a part and those before it, once nothing in them waits."""
        if part.id is None:
            return [part]
        parts = self.parts.setdefault(part.id, [])
        parts.append(part)
        return [] if self.calls.get(part.id) else self.parts.pop(part.id)


def _parse(reading: Reading) -> Iterator[Conversation]:
    waiting = _Open()
    for part in reading.each(lambda record: _conversations(record, waiting), _whole(reading)):
        yield from waiting.released(part)
    for parts in waiting.parts.values():
        yield from parts


def _whole(reading: Reading) -> Iterator[Record]:
    """Give the records that hold a response; of a stream's events that is the last one."""
    begun: Record | None = None
    n_steps = 0
    for record in reading.records():
        if _is_step(record.value):
            if record.value["type"] == "response.created":
                _leave_out(reading, begun, n_steps)
                begun, n_steps = record, 0
            else:
                n_steps += 1
            continue
        _leave_out(reading, None, n_steps + (begun is not None))
        begun, n_steps = None, 0
        yield record
    _leave_out(reading, begun, n_steps)


def _leave_out(reading: Reading, begun: Record | None, n_steps: int) -> None:
    """Account for the steps of a stream, and for one that never came to its end."""
    if n_steps:
        reading.count("part of another record", n_steps)
    if begun is not None:
        reading.reject(begun, "a stream that ends before its response does")


def _is_step(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether a record is an event of a stream, other than its end."""
    kind = value.get("type") if isinstance(value, dict) else None
    return isinstance(kind, str) and kind.startswith("response.") and kind not in _ENDS


def _conversations(record: Record, waiting: _Open) -> list[Conversation]:
    source = _body(record.value)
    if isinstance(source.get("error"), dict) and "output" not in source:
        return []
    part = _part(record.value)
    if not isinstance(source["output"], list):
        raise TypeError("no list of output items")
    native = text(source.get("id"))
    conversation = Conversation(
        ordinal=record.number,
        id=_named(source, waiting.roots),
        native_id=native,
        joins=True,
        model=text(source.get("model")),
        created_at=at(source.get("created_at")),
        declared_tools=tool_names(source.get("tools")),
        extra=rest(source, _TAKEN),
    )
    if native and conversation.id:
        waiting.roots[native] = conversation.id
    conversation.part = part if conversation.id == source.get("custom_id") else None
    conversation.joins = conversation.part is None and conversation.id != native
    turn = Turn(conversation, waiting.calls.setdefault(conversation.id or "", {}))
    asked = source.get("input")
    if isinstance(asked, str):
        conversation.messages.append(Message(role_raw="user", content=asked))
    for item in asked if isinstance(asked, list) else ():
        turn.take(item)
    turn.end()
    n_asked = len(conversation.messages)
    for item in source["output"]:
        turn.take(item)
    turn.end()
    turn.leave_open()
    _complete(conversation, conversation.messages[n_asked:], source)
    if conversation.part:
        conversation.extra = {conversation.part: conversation.extra}
    elif native and conversation.id != native:
        conversation.extra = {native: conversation.extra}
    return [conversation]


def _body(value: dict[str, Any]) -> dict[str, Any]:
    """Give the response itself, also out of a line of a batch's output, or of a proxy's log.

    A list of items, as the API gives a response's input or a conversation, is an output alone.
    """
    inner = value.get("response")
    if _part(value) == "request":
        return {"asked": rest(value, frozenset({"body", "custom_id"})), **value["body"]} | {
            "custom_id": value["custom_id"],
            "output": [],
        }
    if value.get("object") == "list" and isinstance(value.get("data"), list):
        return {**rest(value, frozenset({"data"})), "output": _oldest_first(value["data"])}
    if not isinstance(inner, dict):
        return value
    body = inner.get("body")
    if isinstance(body, dict):
        return {**body, "custom_id": value.get("custom_id")}
    if inner.get("object") != "response":
        return value
    asked = value.get("request")
    asked = {"input": asked.get("input")} if isinstance(asked, dict) else {}
    return {"logged": rest(value, frozenset({"response"})), **asked, **inner}


def _part(value: dict[str, Any]) -> str | None:
    """Say which part of a batch a line is, if it is one."""
    if "custom_id" not in value:
        return None
    if isinstance(value.get("body"), dict) and str(value.get("url")).endswith("/responses"):
        return "request"
    return "outcome"


def _oldest_first(listed: list[Any]) -> list[Any]:
    """Turn a list round that begins with an answer: unless asked, the newest comes first."""
    first = next((i for i in listed if isinstance(i, dict) and i.get("type") == "message"), None)
    return listed[::-1] if first is not None and first.get("role") == "assistant" else listed


def _named(source: dict[str, Any], roots: dict[str, str]) -> str | None:
    """Name the conversation: as it says, else by the response or request that it began with."""
    named = source.get("conversation")
    named = named.get("id") if isinstance(named, dict) else named
    previous = text(source.get("previous_response_id"))
    begun = roots.get(previous, previous) if previous else None
    return text(named) or begun or text(source.get("custom_id")) or text(source.get("id"))


class Turn:
    """Items of one list, while they are put into rows."""

    def __init__(self, conversation: Conversation, earlier: dict[str, Call]) -> None:
        self.conversation = conversation
        self.earlier = earlier
        self.calls: dict[str, Call] = {}
        self.asked: dict[str, dict[str, Any]] = {}
        self.thoughts: list[dict[str, Any]] = []
        self.early: list[Call] = []
        self.answer: Message | None = None
        self.first: Message | None = None

    def take(self, item: dict[str, Any]) -> None:
        """Take one item."""
        kind = item.get("type")
        if kind == "message" or (kind is None and "role" in item):
            if item.get("role") != "assistant":
                self.end()
            self._message(item)
        elif items.is_output(item):
            self._output(items.output(item))
        elif items.is_call(item):
            self._call(items.call(item))
        elif kind == "reasoning":
            self.thoughts.append(item)
        elif kind == "mcp_approval_request":
            self.asked[str(item.get("id"))] = item
            keep(self.conversation.extra, "items", item)
        else:
            self._approve(item)
            keep(self.conversation.extra, "items", item)

    def end(self) -> None:
        """End a turn: calls before its first answer are that answer's, or nobody's."""
        if self.first is not None:
            self.first.calls[:0] = self.early
        else:
            self.conversation.calls += self.early
        if self.thoughts:
            self.conversation.extra.setdefault("reasoning_unattached", []).extend(self.thoughts)
        self.thoughts, self.early, self.answer, self.first = [], [], None, None

    def _message(self, item: dict[str, Any]) -> None:
        row = items.message(item)
        row.native_id = text(item.get("id"))
        row.extra.pop("id", None)
        self.conversation.messages.append(row)
        self.answer = row if row.role_raw == "assistant" else None
        self.first = self.first or self.answer
        if self.answer is None:
            return
        texts = [said for thought in self.thoughts if (said := items.reasoning(thought))]
        row.reasoning = "\n".join(texts) or None
        if self.thoughts:
            taken = frozenset({"summary", "content"})
            row.extra["reasoning"] = [rest(thought, taken) for thought in self.thoughts]
        self.thoughts = []

    def _call(self, call: Call) -> None:
        self.calls[call.native_id or ""] = call
        (self.early if self.answer is None else self.answer.calls).append(call)

    def _output(self, result: Result) -> None:
        """Answer a call: of this turn, or of an earlier one, for which the answer is a row too."""
        call = self.calls.get(result.native_id or "")
        if call is None or call.has_result:
            call = self.earlier.pop(result.native_id or "", None)
            row = Message(role_raw="function_call_output", role="tool", content=result.text)
            self.conversation.messages.append(row)
            if call is None:
                row.results = [result]
                return
            row.native_id = f"{self.conversation.native_id}/{result.native_id}"
            call.result_key = f"{self.conversation.id}:{row.native_id}"
        call.has_result, call.result, call.status = True, result.text, result.status
        call.error_source, call.error_class = result.error_source, result.error_class
        call.extra |= result.extra

    def leave_open(self) -> None:
        """Let later turns answer what is not answered yet."""
        self.earlier |= {
            id_: call
            for id_, call in self.calls.items()
            if id_ and not call.has_result and call.status is None
        }

    def _approve(self, item: dict[str, Any]) -> None:
        """Make a call of a request that was turned down: it never ran."""
        asked = self.asked.get(str(item.get("approval_request_id")))
        if asked is not None and item.get("approve") is False:
            call = items.call({**asked, "type": "mcp_call"})
            call.status = "denied"
            self._call(call)


def _complete(conversation: Conversation, rows: list[Message], source: dict[str, Any]) -> None:
    """Give the rows of a response what it says of all of them, and its last one the tokens."""
    answers = [row for row in rows if row.role_raw == "assistant"]
    for row in answers:
        row.model = text(source.get("model"))
        row.at = at(source.get("created_at"))
        row.generation_id = text(source.get("id"))
    if not answers:
        if source.get("usage") is not None:
            conversation.extra["usage_unattached"] = conversation.extra.pop("usage")
        return
    answers[-1].usage = items.usage(source.get("usage"))
    details = source.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    answers[-1].finish_reason = text(reason) or text(source.get("status"))


def _sniff(evidence: Evidence) -> float:
    value = evidence.value
    if not isinstance(value, dict):
        return 0.0
    if _is_step(value):
        return LIKELY if value.keys() & {"response", "item_id", "item", "sequence_number"} else 0.0
    is_asked = _part(value) == "request"
    value = _body(value)
    output = value.get("output")
    error = value.get("error")
    if (
        value.keys() - {"custom_id"} == {"error"}
        and isinstance(error, dict)
        and {"message", "code"} <= error.keys()
    ):
        return POSSIBLE
    if value.get("object") == "response" or is_asked:
        return SURE
    if not isinstance(output, list) or not output:
        return 0.0
    spoken = {"content", "role"}
    kinds = {
        item.get("type")
        for item in output
        if isinstance(item, dict) and (item.get("type") != "message" or item.keys() & spoken)
    }
    ours = any(items.is_call({"type": kind}) or kind in _KINDS | {"message"} for kind in kinds)
    return LIKELY if ours else 0.0


FORMAT = Format("openai-responses", "OpenAI Responses API", _sniff, _parse, __doc__)
