"""Worker: the real worker library, driven as the Functions host drives it: start, index, load, invoke.

Only the five entry points that the library exports are called, with `protos` in the place of protobuf.  So the
converters of azure.functions make the arguments from what the host sends, and the answers for it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import azure_functions_runtime as runtime

from tests.functions.protos import StatusResult, TypedData, envelope, invocation

FOREVER = "9999-12-31T23:59:59.9999999"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an HTTP function answered, as the host reads it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """A Service Bus message as it lies in its queue."""

    body: bytes
    id: str
    session: str | None
    properties: Mapping[str, Any]


class RefusedError(AssertionError):
    """The worker library answered the host that something failed; the message has its traceback."""


class Worker:
    """An app that the worker has loaded."""

    def __init__(self, functions: Mapping[str, Any]) -> None:
        self.functions = functions
        """The metadata that the host was given, by the functions' names."""

    async def request(
        self,
        function: str,
        method: str,
        path: str,
        *,
        route: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Invoke an HTTP function; the host has matched the path to its route.

        Raises:
            RefusedError: The invocation failed.
        """
        url = f"http://127.0.0.1:7071/{path.lstrip('/')}"
        http = SimpleNamespace(
            method=method,
            url=url,
            headers=dict(headers or {}),
            params=dict(route or {}),
            query=dict(query or {}),
            # The worker announces RawHttpBodyBytes, so the host parses nothing; without a body it sets no member.
            body=TypedData(bytes=body) if body else TypedData(),
        )
        returned = await self._invoke(function, TypedData(http=http), {})
        return Answer(int(returned.http.status_code), returned.http.headers, returned.http.body.bytes)

    async def receive(self, function: str, message: Message) -> None:
        """Invoke a Service Bus function with one message that was delivered for the first time.

        Raises:
            RefusedError: The invocation failed: the host would abandon the message.
        """
        await self._invoke(function, TypedData(string=message.body.decode()), _metadata(message))

    async def feed(self, function: str, documents: Sequence[Mapping[str, Any]]) -> None:
        """Invoke a change-feed function with one batch.

        Raises:
            RefusedError: The invocation failed: the host would do as the retry policy says.
        """
        await self._invoke(function, TypedData(string=json.dumps(documents)), {})

    async def tick(self, function: str) -> None:
        """Invoke a timer function.

        Raises:
            RefusedError: The invocation failed.
        """
        timer = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": {"Last": "0001-01-01T00:00:00", "Next": _instant(), "LastUpdated": "0001-01-01T00:00:00"},
            "IsPastDue": False,
        }
        await self._invoke(function, TypedData(json=json.dumps(timer)), {})

    async def _invoke(self, name: str, data: TypedData, metadata: Mapping[str, TypedData]) -> Any:
        function = self.functions[name]
        (argument,) = [argument for argument in function.bindings if argument != "$return"]
        request = invocation(function.function_id, str(uuid.uuid4()), argument, data, metadata)
        response = await runtime.invocation_request(envelope(invocation_request=request))
        _check(response, name)
        return response.return_value


@asynccontextmanager
async def worker(app: func.FunctionApp, folder: Path) -> AsyncIterator[Worker]:
    """The app of the function_app.py in this folder, which is on the path, loaded by the worker.

    Raises:
        RefusedError: The worker does not take it; on Azure the app would not start.
    """
    app.functions_bindings = None  # get_functions(), which the worker calls, refuses a second time.
    runtime.start_threadpool_executor()
    try:
        init = SimpleNamespace(capabilities={}, function_app_directory=str(folder))
        _check(await runtime.worker_init_request(envelope(worker_init_request=init)), "the app")
        indexed = await runtime.functions_metadata_request(envelope())
        _check(indexed, "the app")
        functions = {function.name: function for function in indexed.function_metadata_results}
        for function in functions.values():
            load = SimpleNamespace(function_id=function.function_id, metadata=function)
            _check(await runtime.function_load_request(envelope(function_load_request=load)), function.name)
        yield Worker(functions)
    finally:
        app.functions_bindings = None
        runtime.stop_threadpool_executor()


def _check(response: Any, name: str) -> None:
    if response.result.status != StatusResult.Success:
        exception = response.result.exception
        raise RefusedError(f"{name}: {exception.message}\n{exception.stack_trace}")


def _metadata(message: Message) -> dict[str, TypedData]:
    """What the host sends beside the body of a single message.

    Text goes as text, all else as JSON, times without their zone; what the message has not is left out.  LockedUntil,
    ScheduledEnqueueTimeUtc, TimeToLive and State are never sent.  Source: ServiceBusTriggerBindingStrategy in
    Azure/azure-sdk-for-net, GrpcMessageConversionExtensions in Azure/azure-functions-host.
    """
    texts = {
        "MessageId": message.id,
        "SessionId": message.session,
        "PartitionKey": message.session,
        "LockToken": str(uuid.uuid4()),
    }
    values = {
        "DeliveryCount": 1,
        "SequenceNumber": 7,
        "EnqueuedTimeUtc": _instant(),
        "EnqueuedTime": _instant() + "+00:00",
        "ExpiresAtUtc": FOREVER,
        "ExpiresAt": FOREVER + "+00:00",
        "ApplicationProperties": message.properties,
        "UserProperties": message.properties,
    }
    sent = {name: TypedData(string=text) for name, text in texts.items() if text}
    return sent | {name: TypedData(json=json.dumps(value)) for name, value in values.items()}


def _instant() -> str:
    return datetime.now(UTC).replace(tzinfo=None).isoformat()
