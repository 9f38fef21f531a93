"""The names that tracers give what a span says, by what they mean, the newest first."""

from __future__ import annotations

SESSION = (
    "gen_ai.conversation.id",
    "session.id",
    "langfuse.session.id",
    "ai.telemetry.metadata.sessionId",
    "traceloop.association.properties.session_id",
    "traceloop.association.properties.thread_id",
    "gcp.vertex.agent.session_id",
)
# What Google's ADK sends and gets, and the list of events that Logfire keeps in an attribute.
ADK = ("gcp.vertex.agent.llm_request", "gcp.vertex.agent.llm_response")
NOTED = "events"
# What goes into and comes out of a span that is no generation.
ASKED = ("input.value", "traceloop.entity.input", "langfuse.observation.input")
ANSWERED = ("output.value", "traceloop.entity.output", "langfuse.observation.output")
USER = (
    "user.id",
    "enduser.id",
    "langfuse.user.id",
    "ai.telemetry.metadata.userId",
    "traceloop.association.properties.user_id",
)
AGENT = ("gen_ai.agent.name", "agent.name", "ai.telemetry.functionId")
MODEL = (
    "gen_ai.response.model",
    "ai.response.model",
    "llm.model_name",
    "gen_ai.request.model",
    "ai.model.id",
)
TOOL = {
    "name": (
        "gen_ai.tool.name",
        "tool.name",
        "tool_call.function.name",
        "ai.toolCall.name",
        "traceloop.entity.name",
    ),
    "id": ("gen_ai.tool.call.id", "tool_call.id", "tool.id", "ai.toolCall.id"),
    "arguments": (
        "gen_ai.tool.call.arguments",
        "tool.parameters",
        "ai.toolCall.args",
        "gcp.vertex.agent.tool_call_args",
        "tool_arguments",
        "input.value",
        "traceloop.entity.input",
    ),
    "result": (
        "gen_ai.tool.call.result",
        "ai.toolCall.result",
        "gcp.vertex.agent.tool_response",
        "tool_response",
        "output.value",
        "traceloop.entity.output",
    ),
}
USAGE = {
    "input": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.token_count.prompt",
        "ai.usage.inputTokens",
        "ai.usage.promptTokens",
    ),
    "output": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "ai.usage.outputTokens",
        "ai.usage.completionTokens",
    ),
    "cache_read": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
        "ai.usage.cachedInputTokens",
    ),
    "cache_write": (
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
    ),
    "reasoning": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "ai.usage.reasoningTokens",
    ),
}
# What rows hold, or repeat: the rest of a span's attributes stays in `extra`.
TAKEN = (
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.definitions",
    "gen_ai.prompt",
    "gen_ai.completion",
    "llm.input_messages",
    "llm.output_messages",
    "llm.tools",
    "ai.prompt",
    "ai.response.text",
    "ai.response.object",
    "ai.response.reasoning",
    "ai.response.toolCalls",
    *ADK,
    *SESSION,
    *USER,
    *AGENT,
    *(key for keys in (*TOOL.values(), *USAGE.values()) for key in keys),
)
