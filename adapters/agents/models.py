"""Models: which one is asked, where, and as whom; all by settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import openai
from agent_framework import BaseChatClient, FunctionInvocationConfiguration
from agent_framework.openai import OpenAIChatCompletionClient

from adapters.agents.toolbox import MOST_LOOKED_AT
from adapters.identity import Identity

ANSWER_SECONDS = 60.0
"""So long one request may wait for the next byte; the look as a whole has a deadline of its own."""

CONNECT_SECONDS = 5.0

THINKING = 4

NO_KEY = "none"
"""What goes where nobody asks for a key; the client insists on one."""

TOOL_LOOP: FunctionInvocationConfiguration = {
    "max_iterations": 12,
    "max_function_calls": MOST_LOOKED_AT,
    "max_consecutive_errors_per_request": 3,
    # What one call leaves of the budgets, the next one must know; and a run must come out the same again.
    "allow_concurrent_invocation": False,
    "include_detailed_errors": False,
}
"""How long a model may go on asking for tools."""

_AZURE = {
    ".openai.azure.com": "https://cognitiveservices.azure.com/.default",
    ".cognitiveservices.azure.com": "https://cognitiveservices.azure.com/.default",
    ".services.ai.azure.com": "https://cognitiveservices.azure.com/.default",
    ".openai.azure.us": "https://cognitiveservices.azure.us/.default",
    ".openai.azure.cn": "https://cognitiveservices.azure.cn/.default",
}
"""How hosts of Azure end, with the scope of the tokens that they take."""


@dataclass(frozen=True)
class Model:
    """One model, and how it is asked."""

    name: str
    endpoint: str
    key: str = ""
    is_reviewed: bool = True
    is_reasoning: bool = False
    """Whether it refuses to be told a temperature and a seed."""
    answer_tokens: int = 4_000
    """The longest answer."""

    @property
    def verbosity(self) -> int:
        """How many times longer an answer may be: what such a model thinks counts as a part of it."""
        return THINKING if self.is_reasoning else 1

    @property
    def options(self) -> dict[str, Any]:
        """What goes with each request."""
        return {} if self.is_reasoning else {"temperature": 0, "seed": 1}


class OpenClient(Protocol):
    """A chat client of the framework, with what closes it."""

    chat: BaseChatClient[Any]

    async def close(self) -> None:
        """Let go of its connections."""
        ...


class ServiceClient:
    """Implements `OpenClient` over the wire of OpenAI's chat completions, which every service speaks."""

    def __init__(self, model: Model, identity: Identity) -> None:
        """Connects at the first request; without a key, a service on Azure is asked with the identity."""
        base_url, scope = address_of(model.endpoint)
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=_token_provider(identity, scope) if scope and not model.key else model.key or NO_KEY,
            # The look has a deadline, and a queue that knows when to come again.
            max_retries=0,
            timeout=openai.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            # What is asked goes to the configured service, and not where that points.
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False),
        )
        # It would read these of the environment, and they are nobody's settings here.
        self._client.organization = self._client.project = self._client.admin_api_key = None
        self.chat: BaseChatClient[Any] = OpenAIChatCompletionClient(
            model=model.name, async_client=self._client, function_invocation_configuration=TOOL_LOOP
        )

    async def close(self) -> None:
        await self._client.close()


def address_of(endpoint: str) -> tuple[str, str]:
    """The base URL of the wire, and the scope of a token for it; no scope for what is not on Azure."""
    parts = urlsplit(endpoint)
    scope = next((scope for end, scope in _AZURE.items() if (parts.hostname or "").endswith(end)), "")
    if scope and parts.path in ("", "/"):
        parts = parts._replace(path="/openai/v1/")
    return urlunsplit(parts), scope


def _token_provider(identity: Identity, scope: str) -> Callable[[], Awaitable[str]]:
    async def provide() -> str:
        # Tokens are kept, and renewed in time, by the credential.
        return (await identity.get().get_token(scope)).token

    return provide
