"""Wire: a loopback server that speaks OpenAI's chat completions, and fails in every way that a service does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from agent_framework import Content
from aiohttp import web

from adapters.agents.scripted import Turn

PIECE = 7
"""Characters of a streamed piece: every claim is cut somewhere."""


@dataclass(frozen=True)
class Refusal:
    """An answer that is none."""

    status: int
    error: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    """A body that is no JSON."""
    seconds: float = 0.0


def rate_limited(retry_after: str = "", milliseconds: str = "") -> Refusal:
    headers = {"retry-after": retry_after} if retry_after else {}
    headers |= {"retry-after-ms": milliseconds} if milliseconds else {}
    return Refusal(429, {"message": "exceeded token rate limit", "type": "tokens", "code": "429"}, headers)


# As Azure documents it.
FILTERED = Refusal(
    400,
    {
        "message": "The response was filtered due to the prompt triggering the content management policy.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {"jailbreak": {"filtered": True, "detected": True}},
        },
    },
)


class Wire:
    """Answers each request with the next of its turns; one whose `finish_reason` is empty is cut off."""

    def __init__(self, *turns: Turn | Refusal) -> None:
        self._turns = list(turns)
        self.requests: list[dict[str, Any]] = []
        """Their bodies, each with its `path` and `headers`."""
        self.aborted = 0
        """Answers that nobody read to their end."""
        app = web.Application()
        app.router.add_post("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True)
        self.url = ""

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append({**body, "path": request.path, "headers": dict(request.headers)})
        turn = self._turns.pop(0) if self._turns else Refusal(500, {"message": "out of turns"})
        try:
            await asyncio.sleep(turn.seconds)
            if isinstance(turn, Refusal):
                text = turn.raw if turn.raw is not None else json.dumps({"error": turn.error}).encode()
                return web.Response(
                    body=text, status=turn.status, headers=turn.headers, content_type="application/json"
                )
            if body.get("stream"):
                return await self._stream(request, turn, body)
            return await self._whole(request, turn, body)
        except (ConnectionError, asyncio.CancelledError):
            self.aborted += 1
            raise

    async def _whole(self, request: web.Request, turn: Turn, body: Mapping[str, Any]) -> web.StreamResponse:
        message: dict[str, Any] = {"role": "assistant", "content": _text(turn)}
        if calls := _calls(turn):
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "finish_reason": turn.finish_reason or "stop"}
        answer = {**_base(body, "chat.completion"), "choices": [choice], "usage": _usage(turn)}
        text = json.dumps(answer).encode()
        if turn.finish_reason:
            return web.Response(body=text, content_type="application/json")
        response = web.StreamResponse(headers={"content-type": "application/json", "content-length": str(len(text))})
        await response.prepare(request)
        await response.write(text[: len(text) // 2])
        return _cut(request, response)

    async def _stream(self, request: web.Request, turn: Turn, body: Mapping[str, Any]) -> web.StreamResponse:
        response = (web.StreamResponse if turn.finish_reason else _Endless)(
            headers={"content-type": "text/event-stream"}
        )
        await response.prepare(request)
        base = _base(body, "chat.completion.chunk")

        async def send(delta: Mapping[str, Any], finish: str | None = None) -> None:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            await response.write(f"data: {json.dumps({**base, 'choices': [choice]})}\n\n".encode())

        await send({"role": "assistant", "content": ""})
        text = _text(turn) or ""
        for at in range(0, len(text), PIECE):
            await send({"content": text[at : at + PIECE]})
            await asyncio.sleep(0)
        for number, call in enumerate(_calls(turn)):
            # The arguments come in two pieces, the second without a name: as the real service sends them.
            arguments = call["function"]["arguments"]
            first = {**call, "index": number, "function": {**call["function"], "arguments": arguments[:5]}}
            await send({"tool_calls": [first]})
            await send({"tool_calls": [{"index": number, "function": {"arguments": arguments[5:]}}]})
        if not turn.finish_reason:
            return _cut(request, response)
        await send({}, turn.finish_reason)
        if (body.get("stream_options") or {}).get("include_usage"):
            await response.write(f"data: {json.dumps({**base, 'choices': [], 'usage': _usage(turn)})}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response


class _Endless(web.StreamResponse):
    """Ends with its connection, as through many a proxy, so that nobody can tell a cut from an end."""

    _length_check = False

    async def prepare(self, request: web.BaseRequest) -> Any:
        self.force_close()
        return await super().prepare(request)


def _cut(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return response


def _base(body: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": body.get("model", "m")}


def _text(turn: Turn) -> str | None:
    texts = [content.text or "" for content in turn.contents if content.type == "text"]
    return "".join(texts) if texts else None


def _calls(turn: Turn) -> list[dict[str, Any]]:
    return [
        {"id": one.call_id, "type": "function", "function": {"name": one.name, "arguments": _arguments(one)}}
        for one in turn.contents
        if one.type == "function_call"
    ]


def _arguments(content: Content) -> str:
    return content.arguments if isinstance(content.arguments, str) else json.dumps(content.arguments)


def _usage(turn: Turn) -> dict[str, Any]:
    read, written = turn.input_tokens or 0, turn.output_tokens or 0
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
