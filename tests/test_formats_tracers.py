"""What tracers of frameworks call the messages and the tools of a span."""

from __future__ import annotations

import json

import pytest

import chatdata as cd

CALL = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": {"city": "x"}}}
ASKED = {"role": "user", "content": "weather?", "event.name": "gen_ai.user.message"}
CHOSEN = {"message": {"role": "assistant", "tool_calls": [CALL]}, "event.name": "gen_ai.choice"}
GEMINI_CALL = {"function_call": {"id": "c", "name": "weather", "args": {"city": "x"}}}
BEDROCK_CALL = {"toolUse": {"toolUseId": "c", "name": "weather", "input": {"city": "x"}}}
LOGFIRE = (
    {"gen_ai.operation.name": "chat", "events": json.dumps([ASKED, CHOSEN])},
    {"tool_arguments": '{"city":"x"}', "tool_response": "Sunny"},
)
ADK = (
    {
        "gen_ai.usage.output_tokens": "5",
        "gcp.vertex.agent.llm_request": json.dumps(
            {"contents": [{"role": "user", "parts": [{"text": "weather?"}]}]}
        ),
        "gcp.vertex.agent.llm_response": json.dumps(
            {"content": {"role": "model", "parts": [GEMINI_CALL]}}
        ),
    },
    {
        "gcp.vertex.agent.tool_call_args": '{"city":"x"}',
        "gcp.vertex.agent.tool_response": "Sunny",
        "gcp.vertex.agent.llm_request": "{}",
    },
)


def scanned(folder, *spans):
    bodies = [
        {
            "traceId": "1" * 32,
            "spanId": f"{place:016}",
            "name": "span",
            "startTimeUnixNano": str((1735725600 + place) * 10**9),
            "endTimeUnixNano": str((1735725601 + place) * 10**9),
            "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in told.items()],
            "events": events,
        }
        for place, (told, events) in enumerate(spans, 1)
    ]
    path = folder / "spans.json"
    path.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": bodies}]}]}))
    return cd.scan(path).check()


def found(chats):
    said = chats.messages.sort("position").select("role", "content").collect().rows()
    called = chats.tool_calls.select("name", "arguments", "result", "status").collect().rows()
    return said, called


@pytest.mark.parametrize("spans", [LOGFIRE, ADK])
def test_messages_and_calls_in_attributes_of_a_framework(tmp_path, spans):
    """
    Logfire lists events in an attribute, Google's ADK keeps what Gemini's API is sent and gives.
    """
    generated, ran = spans
    tool = {"gen_ai.tool.name": "weather", "gen_ai.tool.call.id": "c", **ran}
    said, called = found(scanned(tmp_path, (generated, []), (tool, [])))

    assert [("user", "weather?"), ("assistant", None)] == said[:2]
    assert [("weather", '{"city":"x"}', "Sunny", "ok")] == called


def test_parts_of_bedrock_in_events(tmp_path):
    """
    Strands gives events the parts of Bedrock, as JSON.
    """

    def event(name, **told):
        listed = [{"key": k, "value": {"stringValue": json.dumps(v)}} for k, v in told.items()]
        return {"name": name, "attributes": listed}

    answer = {"toolResult": {"toolUseId": "c", "content": [{"text": "Sunny"}]}}
    asked = [
        event("gen_ai.user.message", content=[{"text": "weather?"}]),
        event("gen_ai.assistant.message", content=[BEDROCK_CALL]),
        event("gen_ai.tool.message", content=[answer]),
        event("gen_ai.choice", message=[{"text": "It is sunny."}]),
    ]
    chats = scanned(tmp_path, ({"gen_ai.operation.name": "chat"}, asked))
    said, called = found(chats)

    assert [
        ("user", "weather?"),
        ("assistant", None),
        ("tool", "Sunny"),
        ("assistant", "It is sunny."),
    ] == said
    assert [("weather", '{"city":"x"}', "Sunny")] == [row[:3] for row in called]


def test_a_tool_that_traceloop_names(tmp_path):
    """
    The span is called after the tool and its kind, and the tool is the one that was called.
    """
    told = {
        "gen_ai.operation.name": "chat",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.tool_calls.0.id": "c",
        "gen_ai.completion.0.tool_calls.0.name": "weather",
        "gen_ai.completion.0.tool_calls.0.arguments": '{"city":"x"}',
    }
    tool = {
        "traceloop.span.kind": "tool",
        "traceloop.entity.name": "weather",
        "traceloop.entity.input": '{"city":"x"}',
        "traceloop.entity.output": "Sunny",
    }
    _, called = found(scanned(tmp_path, (told, []), (tool, [])))

    assert [("weather", '{"city":"x"}', "Sunny", "ok")] == called
