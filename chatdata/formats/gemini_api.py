"""Gemini API: lists of contents, requests and their responses, batches, rows for tuning.

`contents` are messages `{role: user | model, parts: […]}`: in a request `{contents,
systemInstruction, tools}`, in a row for tuning, or bare or as `history`, as Gemini CLI saves a
conversation. A response `{candidates, usageMetadata}` stands alone or beside its request,
`{request, response}`, also as a line of a batch's output, which its `key` joins with its request's;
several candidates are siblings, and the chunks of a stream, one after the other, are one response.
Keys are read in both of their spellings. Results (`functionResponse`) come in the next message, by
order where they have no id; code that the model ran has its result in the same message.

Gives: models and tokens of responses (cached ones taken out of the input), calls with results; a
result is `unknown` unless it is nothing but an `error`. Does not give: times, but of responses.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from chatdata.formats.base import LIKELY, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.content import keep, listed, rest, text, tool_names, untold
from chatdata.formats.items import output_text
from chatdata.formats.media import without_bytes
from chatdata.formats.rows import SAME_MESSAGE, Call, Conversation, Message, Result, Usage
from chatdata.formats.times import at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_ROLES = frozenset({"user", "model", "function"})
_TOKENS = {
    "input": "promptTokenCount",
    "output": "candidatesTokenCount",
    "cache_read": "cachedContentTokenCount",
    "reasoning": "thoughtsTokenCount",
}
PARTS = frozenset(
    {"text", "thought", "thoughtSignature", "thought_signature", "functionCall", "function_call"}
    | {"functionResponse", "function_response", "executableCode", "executable_code", "inlineData"}
    | {"codeExecutionResult", "code_execution_result", "inline_data", "fileData", "file_data"}
)
"""The keys that a part may have."""
_ENDS = {"OUTCOME_OK": "ok", "OUTCOME_FAILED": "error", "OUTCOME_DEADLINE_EXCEEDED": "timeout"}


def _parse(reading: Reading) -> Iterator[Conversation]:
    records = reading.records()
    first = next(records, None)
    if first is None:
        return
    if _is_content(first.value):
        yield reading.one(chain([first], records), message, "not contents of gemini-api")
        return
    begun: Conversation | None = None
    response: str | None = None
    for record in chain([first], records):
        try:
            found = _conversation(record)
        except UNEXPECTED:
            reading.reject(record, "not a gemini-api record")
            continue
        id_ = _response_id(record.value)
        if begun is not None and id_ is not None and id_ == response:
            reading.count("part of another record")
            _go_on(begun, found)
            continue
        if begun is not None:
            yield begun
        begun, response = found, id_
    if begun is not None:
        yield begun


def _response_id(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    """Name the response that a record is, or is a chunk of, if it is nothing else."""
    alone = isinstance(value, dict) and "candidates" in value and "contents" not in value
    return text(_both(value, "responseId")) if alone else None


def _go_on(begun: Conversation, chunk: Conversation) -> None:
    """Add the next chunk of a streamed response; its tokens are those of all chunks so far."""
    first, usage = begun.messages[0] if begun.messages else None, None
    known = {_candidate(row): row for row in begun.messages}
    for more in chunk.messages:
        usage, more.usage = more.usage or usage, None
        row = known.setdefault(_candidate(more), more)
        if row is more:
            more.is_main_path, more.parent = first is None, None
            if first is not None and more.native_id:
                more.native_id += f"/{_candidate(more)}"
            begun.messages.append(more)
            continue
        row.content = (row.content or "") + (more.content or "") or None
        row.reasoning = (row.reasoning or "") + (more.reasoning or "") or None
        row.calls += more.calls
        row.results += more.results
        row.finish_reason = more.finish_reason or row.finish_reason
        if more.extra:
            keep(row.extra, "chunks", more.extra)
    if usage is not None and begun.messages:
        begun.messages[0].usage = usage
    if chunk.extra:
        keep(begun.extra, "chunks", chunk.extra)


def _candidate(row: Message) -> str:
    """Name which of several answers a row is of."""
    return str(row.extra.get("index") or 0)


def _conversation(record: Record) -> Conversation:
    bare = isinstance(record.value, list)
    source: dict[str, Any] = {"contents": record.value} if bare else record.value
    asked, answer = _halves(source)
    key = _key(asked)
    if key is None and not {"candidates", "error"} & answer.keys():
        raise TypeError("neither contents nor candidates")
    contents = asked.get(key) if key else None
    native = text(source.get("key")) or text(source.get("id"))
    declared = [_both(tool, "functionDeclarations") for tool in asked.get("tools") or ()]
    conversation = Conversation(
        ordinal=record.number,
        id=native,
        native_id=native,
        model=text(asked.get("model")),
        declared_tools=tool_names(list(chain.from_iterable(d for d in declared if d))) or None,
        messages=[message(item) for item in listed(contents or [])],
    )
    told = {key or "contents": contents, "model": conversation.model}
    if isinstance(answer.get("candidates"), list):
        conversation.messages += _answers(answer, conversation.messages[-1:])
        told["candidates"] = answer["candidates"]
    halves = {"request": asked, "response": answer}
    inner = {key: half for key, half in halves.items() if half is not source}
    conversation.extra = untold(source, told | inner)
    conversation.extra |= {key: more for key, half in inner.items() if (more := untold(half, told))}
    if text(source.get("key")) and len(inner) == 1:
        conversation.part = "request" if "request" in inner else "outcome"
        conversation.extra = {conversation.part: conversation.extra}
    return conversation


def _key(asked: dict[str, Any]) -> str | None:
    """Name the key that holds the messages: of a request, or of a saved conversation."""
    return next((key for key in ("contents", "history") if key in asked), None)


def _halves(source: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the request and the response of a record that is both, or holds both."""
    asked, answer = (
        inner if isinstance(inner := source.get(key), dict) else source
        for key in ("request", "response")
    )
    return asked, answer


def _answers(response: dict[str, Any], asked: list[Message]) -> Iterator[Message]:
    """Read the candidates: siblings after the last message that was asked."""
    for place, candidate in enumerate(response["candidates"]):
        answer = message({"role": "model", **(candidate.get("content") or {})})
        answer.native_id = text(response.get("responseId"))
        if answer.native_id and place:
            answer.native_id += f"/{candidate.get('index', place)}"
        answer.is_main_path = place == 0
        answer.model = text(_both(response, "modelVersion"))
        answer.at = at(_both(response, "createTime"))
        answer.finish_reason = text(_both(candidate, "finishReason"))
        answer.extra |= rest(candidate, frozenset({"content", "finishReason", "finish_reason"}))
        if place == 0:
            answer.usage = _usage(_both(response, "usageMetadata"))
        elif asked:
            asked[0].aliases = ("asked",)
            answer.parent = "asked"
        else:
            answer.parent = None
        yield answer


def message(source: dict[str, Any]) -> Message:
    """Read a message; its parts are told apart by their keys, not by a type.

    Raises:
        TypeError, AttributeError: it is not built as it should be.
    """
    role = source.get("role", "user")
    if not isinstance(role, str):
        raise TypeError("the role is no text")
    row = Message(role_raw=role, extra=rest(source, frozenset({"role", "parts"})))
    texts: list[str] = []
    thoughts: list[str] = []
    for part in listed(source.get("parts") or []):
        if isinstance(part.get("text"), str):
            (thoughts if part.get("thought") is True else texts).append(part["text"])
        elif (called := _both(part, "functionCall")) is not None:
            row.calls.append(_call(called))
        elif (answered := _both(part, "functionResponse")) is not None:
            row.results.append(_result(answered))
        elif (code := _both(part, "executableCode")) is not None:
            row.calls.append(Call(name="code_execution", arguments=code))
        elif (ran := _both(part, "codeExecutionResult")) is not None and row.calls:
            _ended(row.calls[-1], ran)
        else:
            keep(row.extra, "parts", without_bytes(part))
    row.content = "\n".join(texts) if texts else None
    row.reasoning = "\n".join(thoughts) or None
    if row.results and not texts and "parts" not in row.extra:
        row.role = "tool"
    return row


def _call(source: dict[str, Any]) -> Call:
    return Call(
        name=text(source.get("name")),
        native_id=text(source.get("id")),
        arguments=source.get("args"),
        extra=rest(source, frozenset({"name", "id", "args"})),
    )


def _result(source: dict[str, Any]) -> Result:
    said = source.get("response")
    result = Result(native_id=text(source.get("id")), text=output_text(said))
    if isinstance(said, dict) and said.keys() == {"error"}:
        result.status, result.error_source, result.error_class = "error", "explicit", "unknown"
    return result


def _ended(call: Call, ran: dict[str, Any]) -> None:
    """Give code that was run what came of it."""
    call.has_result, call.result_key = True, SAME_MESSAGE
    call.result = output_text(ran.get("output"))
    call.status = _ENDS.get(str(ran.get("outcome")), "unknown")
    if call.status in {"error", "timeout"}:
        call.error_source = "explicit"
        call.error_class = "timeout" if call.status == "timeout" else "unknown"


def _usage(counts: Any) -> Usage | None:  # noqa: ANN401 - whatever the log holds
    """Read the tokens of a response; the cached part comes out of the input."""
    if not isinstance(counts, dict):
        return None
    usage = Usage(**{name: _both(counts, key) for name, key in _TOKENS.items()})
    if isinstance(usage.input, int) and isinstance(usage.cache_read, int):
        usage.input -= min(usage.cache_read, usage.input)
    # Thoughts are counted beside the answer here, as part of it everywhere else.
    if isinstance(usage.output, int) and isinstance(usage.reasoning, int):
        usage.output += usage.reasoning
    return usage


def _both(source: dict[str, Any], key: str) -> Any:  # noqa: ANN401 - any JSON value
    """Give the value of a key, in camel case or, as Python's client writes it, in snake case."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)
    return source.get(key, source.get(snake))


def _is_content(value: Any, role: str = "") -> bool:  # noqa: ANN401 - any JSON value
    """Whether a value is a message; in a request the role of the user may be left out."""
    if not isinstance(value, dict) or str(value.get("role", role)) not in _ROLES:
        return False
    parts = value.get("parts")
    return isinstance(parts, list) and all(
        isinstance(part, dict) and "type" not in part for part in parts[:1]
    )


def _sniff(evidence: Evidence) -> float:
    value = evidence.value
    contents = value
    if isinstance(value, dict):
        asked, answer = _halves(value)
        candidates = answer.get("candidates")
        if isinstance(candidates, list) and candidates:
            return LIKELY if isinstance(candidates[0].get("content"), dict) else 0.0
        key = _key(asked)
        if key is None:
            return LIKELY if _is_content(value) else 0.0
        contents = asked[key]
    if not isinstance(contents, list) or not contents:
        return 0.0
    return LIKELY if _is_content(contents[0], "" if contents is value else "user") else 0.0


FORMAT = Format("gemini-api", "Gemini API", _sniff, _parse, __doc__)
