"""Protos: plain objects in the place of the worker's protobuf messages, for which PyPI has no current definitions.

The worker hands its protobuf module to the library, which makes these objects, reads their fields, and asks which
member of a oneof is set; so no protobuf and no gRPC are needed, and nothing of the library is replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any


class BindingInfo(SimpleNamespace):
    """`BindingInfo` of the worker's protocol, with its numbers."""

    out, inout = 1, 2
    undefined, string, binary, stream = 0, 1, 2, 3


class OneOf(SimpleNamespace):
    """A message of which one member is set, the last one given."""

    def WhichOneof(self, _: str) -> str | None:
        return next(reversed(vars(self)), None)


class TypedData(OneOf):
    """One value on its way between host and worker: `TypedData(json="[]")`."""


class ParameterBinding(OneOf):
    """A named `TypedData`."""

    def __init__(self, name: str, data: TypedData) -> None:
        super().__init__(name=name, data=data)


class StatusResult(SimpleNamespace):
    Failure, Success, Cancelled = 0, 1, 2


class RpcHttpCookie(SimpleNamespace):
    SameSite = SimpleNamespace(**{"None": 0}, Lax=1, Strict=2, ExplicitNone=3)


_PLAIN = (
    "FunctionLoadResponse",
    "FunctionMetadataResponse",
    "InvocationResponse",
    "RpcException",
    "RpcFunctionMetadata",
    "RpcHttp",
    "RpcRetryOptions",
    "WorkerInitResponse",
    "WorkerMetadata",
)

PROTOS = SimpleNamespace(
    BindingInfo=BindingInfo,
    ParameterBinding=ParameterBinding,
    RpcHttpCookie=RpcHttpCookie,
    StatusResult=StatusResult,
    TypedData=TypedData,
    **dict.fromkeys(_PLAIN, SimpleNamespace),
)
"""What the library takes for the protobuf module."""


def envelope(**message: Any) -> SimpleNamespace:
    """The message as the worker hands it over: `envelope(invocation_request=...)`."""
    return SimpleNamespace(request=SimpleNamespace(**message), properties={"host": "127.0.0.1", "protos": PROTOS})


def invocation(
    function_id: str, invocation_id: str, argument: str, data: TypedData, metadata: Mapping[str, TypedData]
) -> SimpleNamespace:
    """An `InvocationRequest` with one input, as the host sends it for a first attempt."""
    return SimpleNamespace(
        invocation_id=invocation_id,
        function_id=function_id,
        input_data=[ParameterBinding(argument, data)],
        trigger_metadata=metadata,
        trace_context=SimpleNamespace(
            trace_parent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", trace_state="", attributes={}
        ),
        retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
    )
