"""Scripted: a chat client whose model is a list of answers; everything above the wire is the framework's own.

Runs are replayed with it, and tested.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_framework import (
    BaseChatClient,
    ChatMiddlewareLayer,
    ChatResponse,
    ChatResponseUpdate,
    Content,
    FunctionInvocationLayer,
    Message,
    ResponseStream,
    UsageDetails,
)
from agent_framework.observability import ChatTelemetryLayer

from adapters.agents.models import TOOL_LOOP

CHUNK = 24
"""Characters in one piece of a streamed answer."""


@dataclass(frozen=True)
class Turn:
    """What the model answers to one request."""

    contents: tuple[Content, ...] = ()
    finish_reason: str = "stop"
    """Empty: it breaks off."""
    input_tokens: int | None = 100
    output_tokens: int | None = 20
    error: Exception | None = None
    """Raised instead of an answer; of a streamed one behind its contents."""
    seconds: float = 0.0
    """Before the answer begins."""


type Answering = Callable[[Sequence[Message], Mapping[str, Any]], Turn]


def says(text: str, finish_reason: str = "stop") -> Turn:
    """A text."""
    return Turn((Content.from_text(text),), finish_reason)


def asks(tool: str, call_id: str = "call_1", /, **arguments: Any) -> Turn:
    """A request for a tool."""
    return Turn((Content.from_function_call(call_id=call_id, name=tool, arguments=arguments),), "tool_calls")


class _Scripted(FunctionInvocationLayer[Any], ChatMiddlewareLayer[Any], ChatTelemetryLayer[Any], BaseChatClient[Any]):
    OTEL_PROVIDER_NAME = "scripted"

    def __init__(self, answering: Answering) -> None:
        super().__init__(function_invocation_configuration=TOOL_LOOP)
        self.model = "scripted"
        self._answering = answering

    def _inner_get_response(
        self, *, messages: Sequence[Message], stream: bool, options: Mapping[str, Any], **kwargs: Any
    ) -> Awaitable[ChatResponse] | ResponseStream[ChatResponseUpdate, ChatResponse]:
        if stream:
            return self._build_response_stream(self._stream(self._answering(messages, options)))
        return self._whole(self._answering(messages, options))

    async def _whole(self, turn: Turn) -> ChatResponse:
        await asyncio.sleep(turn.seconds)
        if turn.error is not None:
            raise turn.error
        return ChatResponse(
            messages=[Message("assistant", [*turn.contents])],
            response_id="scripted",
            model=self.model,
            usage_details=_usage(turn),
            finish_reason=turn.finish_reason or None,  # type: ignore[arg-type]  # a script may say what no service does
        )

    async def _stream(self, turn: Turn) -> AsyncIterable[ChatResponseUpdate]:
        await asyncio.sleep(turn.seconds)
        for content in turn.contents:
            pieces = [content]
            if content.type == "text" and content.text and content.merge_mode != "replace":
                text = content.text
                pieces = [Content.from_text(text[at : at + CHUNK]) for at in range(0, len(text), CHUNK)]
            for piece in pieces:
                await asyncio.sleep(0)
                yield ChatResponseUpdate(role="assistant", contents=[piece], message_id="m", response_id="scripted")
        if turn.error is not None:
            raise turn.error
        if turn.finish_reason:
            usage = _usage(turn)
            yield ChatResponseUpdate(
                role="assistant",
                contents=[Content.from_usage(usage)] if usage else [],
                finish_reason=turn.finish_reason,  # type: ignore[arg-type]  # as above
                message_id="m",
                response_id="scripted",
            )


def _usage(turn: Turn) -> UsageDetails | None:
    if turn.input_tokens is None or turn.output_tokens is None:
        return None
    return UsageDetails(
        input_token_count=turn.input_tokens,
        output_token_count=turn.output_tokens,
        total_token_count=turn.input_tokens + turn.output_tokens,
    )


class OutOfTurnsError(Exception):
    """The script is at its end, and the model was asked once more."""


class ScriptedClient:
    """Implements `OpenClient` without a model."""

    def __init__(self, *turns: Turn | Answering) -> None:
        """Each answers one request, in this order; one that is a function is shown the request."""
        self._turns = list(turns)
        self.shown: list[tuple[Sequence[Message], Mapping[str, Any]]] = []
        """The requests so far, each with its options."""
        self.is_closed = False
        self.chat: BaseChatClient[Any] = _Scripted(self._answer)

    def _answer(self, messages: Sequence[Message], options: Mapping[str, Any]) -> Turn:
        self.shown.append((tuple(messages), dict(options)))
        if not self._turns:
            raise OutOfTurnsError
        turn = self._turns.pop(0)
        return turn if isinstance(turn, Turn) else turn(messages, options)

    async def close(self) -> None:
        self.is_closed = True
