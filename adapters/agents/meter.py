"""Meter: what one look spends on models, refused before it is too much; and what was said, for the record."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent_framework import ChatContext, ChatMiddleware, ChatResponse, Message, ResponseStream

from domain.triage import Limits, Prices, Usage

CHARACTERS_A_TOKEN = 4
"""For what a service does not count for us: requests that broke off, and requests that are still to be sent."""


class OverBudgetError(Exception):
    """The next call is refused; says which limit has been reached."""


@dataclass
class Call:
    """One request to a model."""

    agent: str
    begun: float
    estimated: int
    """Tokens of the request, roughly."""
    messages: Sequence[Message] = ()
    answer: Sequence[Message] = ()
    finish_reason: str = ""
    """Empty where it never came to an end."""
    error: str = ""
    """The kind of error that it ended in."""
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    is_over: bool = False


@dataclass
class Meter:
    """All calls of one look, its specialists' and its reviewer's as well."""

    limits: Limits
    prices: Prices
    clock: Callable[[], float] = time.monotonic
    calls: list[Call] = field(default_factory=list)

    @property
    def usage(self) -> Usage:
        """What has been spent so far; of calls that did not end, their requests, and the time until now."""
        read = sum(one.input_tokens if one.is_over else one.estimated for one in self.calls)
        written = sum(one.output_tokens for one in self.calls)
        seconds = sum(one.seconds if one.is_over else self.clock() - one.begun for one in self.calls)
        money = (read * self.prices.input + written * self.prices.output) / 1_000_000
        return Usage(read, written, len(self.calls), round(seconds, 3), money)

    def admit(self, agent: str, messages: Sequence[Message]) -> Call:
        """Begin a call.

        Raises:
            OverBudgetError: It would take more than the look may.
        """
        estimated = _estimate(messages)
        spent, limits = self.usage, self.limits
        if limits.calls is not None and spent.calls >= limits.calls:
            raise OverBudgetError(f"{limits.calls} calls")
        if limits.tokens is not None and spent.tokens + estimated >= limits.tokens:
            raise OverBudgetError(f"{limits.tokens} tokens")
        money = spent.money + estimated * self.prices.input / 1_000_000
        if limits.money is not None and (self.prices.input or self.prices.output) and money >= limits.money:
            raise OverBudgetError(f"{limits.money:g} in money")
        call = Call(agent, self.clock(), estimated, tuple(messages))
        self.calls.append(call)
        return call

    def room(self, call: Call, most: int) -> int:
        """How many tokens the answer may have: no more than that, and than is left."""
        limits, spent = self.limits, self.usage
        rooms = [most]
        if limits.tokens is not None:
            rooms.append(limits.tokens - spent.tokens)
        if limits.money is not None and self.prices.output:
            rooms.append(int((limits.money - spent.money) / self.prices.output * 1_000_000))
        return max(1, min(rooms))

    def end(self, call: Call, response: ChatResponse) -> None:
        """Count what came back."""
        details: Mapping[str, Any] = response.usage_details or {}
        call.answer = tuple(response.messages)
        call.finish_reason = str(response.finish_reason or "")
        call.input_tokens = _count(details.get("input_token_count"), call.estimated)
        call.output_tokens = _count(details.get("output_token_count"), _estimate(call.answer))
        self._over(call)

    def fail(self, call: Call, error: BaseException, *, has_begun: bool) -> None:
        """Count a call that failed: its request is paid for only where an answer had begun, or may have."""
        if call.is_over:
            return
        call.error = type(error).__name__
        call.input_tokens = call.estimated if has_begun else 0
        self._over(call)

    def close(self, error: BaseException | None = None) -> None:
        """Count what is still open: answers that broke off, or that nobody waits for any longer."""
        for call in self.calls:
            self.fail(call, error or TimeoutError(), has_begun=error is None or _may_have_begun(error))

    def _over(self, call: Call) -> None:
        call.seconds = self.clock() - call.begun
        call.is_over = True


class Metering(ChatMiddleware):
    """Stands before every call to a model, also inside the loop of tools."""

    def __init__(self, meter: Meter, agent: str, most_tokens: int) -> None:
        """`agent` is the name under which the calls are recorded; `most_tokens`: the longest answer."""
        self._meter = meter
        self._agent = agent
        self._most_tokens = most_tokens

    async def process(self, context: ChatContext, call_next: Callable[[], Awaitable[None]]) -> None:
        call = self._meter.admit(self._agent, context.messages)
        context.options = {**(context.options or {}), "max_tokens": self._meter.room(call, self._most_tokens)}
        if context.stream:
            context.stream_result_hooks.append(lambda response: self._meter.end(call, response))
        try:
            await call_next()
        except Exception as error:
            self._meter.fail(call, error, has_begun=_may_have_begun(error))
            raise
        if isinstance(context.result, ChatResponse):
            self._meter.end(call, context.result)
        else:
            assert context.result is None or isinstance(context.result, ResponseStream)


_NEVER_BEGAN = frozenset({"ConnectError", "ConnectTimeout"})


def _may_have_begun(error: BaseException) -> bool:
    """Whether the service may have worked for us: it was reached, and has not answered with a refusal."""
    if (known := getattr(error, "has_begun", None)) is not None:
        return bool(known)
    cause = error.__cause__
    if getattr(getattr(cause, "response", None), "status_code", None) is not None:
        return False
    return type(cause.__cause__ if cause else None).__name__ not in _NEVER_BEGAN


def _count(told: object, otherwise: int) -> int:
    return told if isinstance(told, int) and told >= 0 else otherwise


def _estimate(messages: Sequence[Message]) -> int:
    characters = 0
    for message in messages:
        for content in message.contents:
            characters += len(content.text or "") + len(str(content.arguments or "")) + len(str(content.result or ""))
    return characters // CHARACTERS_A_TOKEN + 1
