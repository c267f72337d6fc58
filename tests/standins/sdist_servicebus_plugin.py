"""For pytest: lets the SDK's own tests run against the stand-in, where they ask for a live namespace.

They get queues from decorators ("preparers") of two modules that need an Azure subscription. Here two modules of the
same names, with as much of them as the chosen tests touch, declare the queues on a stand-in, one for each worker.
"""

import asyncio
import functools
import inspect
import itertools
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.servicebus.aio import ServiceBusClient

from tests.standins.servicebus import QueueSettings, ServiceBusStandIn

JWT = "e30.eyJzdWIiOiAic2Rpc3QifQ.e30"  # {} . {"sub": "sdist"} . {}


class Worker:
    """This worker's stand-in: in a thread of its own, because the tests block their event loop with `time.sleep`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._broker = ServiceBusStandIn({})
        self._numbers = itertools.count(1)
        self._do(self._broker.__aenter__())
        self.connection_string = self._broker.connection_string
        self.host = f"localhost:{self._broker.port}"

    def _do[T](self, act: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(act, self._loop).result(10)

    def declare(self, settings: QueueSettings) -> str:
        async def declare() -> str:
            return self._broker.namespace.declare(f"queue-{next(self._numbers)}", settings).name

        return self._do(declare())

    def check(self) -> None:
        """Raises what went wrong inside the stand-in."""
        if self._broker.problems:
            raise ExceptionGroup("the Service Bus stand-in failed", self._broker.problems)


@functools.cache
def worker() -> Worker:
    return Worker()


type Test = Callable[..., Any]


class Preparer:
    """A decorator that adds what `prepare` gives to the keyword arguments of an async test."""

    def __init__(self, *_: object, **settings: Any) -> None:
        self.settings = settings

    def prepare(self) -> dict[str, Any]:
        return {}

    def __call__(self, test: Test) -> Test:
        if not inspect.iscoroutinefunction(test):
            return test  # never chosen

        @functools.wraps(test)
        async def prepared(*args: Any, **kwargs: Any) -> None:
            await test(*args, **{**self.prepare(), **kwargs})
            worker().check()

        return prepared


class NamespacePreparer(Preparer):
    def prepare(self) -> dict[str, Any]:
        return {
            "servicebus_namespace": SimpleNamespace(name=worker().host),
            "servicebus_namespace_connection_string": worker().connection_string,
            "servicebus_namespace_key_name": "RootManageSharedAccessKey",
            "servicebus_namespace_primary_key": "c3RhbmQtaW4=",
        }


class QueuePreparer(Preparer):
    def prepare(self) -> dict[str, Any]:
        seconds = re.fullmatch(r"PT(\d+)S", self.settings.get("lock_duration", "PT30S"))
        assert seconds is not None
        queue = QueueSettings(
            sessions=self.settings.get("requires_session", False),
            lock_seconds=float(seconds[1]),
            duplicate_window_seconds=600.0 if self.settings.get("requires_duplicate_detection") else 0.0,
            dead_letter_expired=self.settings.get("dead_lettering_on_message_expiration", False),
        )
        return {"servicebus_queue": SimpleNamespace(name=worker().declare(queue))}


class Recorded:
    """The base class of their tests."""

    @staticmethod
    def await_prepared_test(test: Test) -> Test:
        return test


class Credential:
    """Stands for whatever credential a live run finds."""

    async def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken(JWT, int(time.time()) + 3600)

    async def close(self) -> None: ...

    async def __aenter__(self) -> "Credential":
        return self

    async def __aexit__(self, *_: object) -> None: ...


def _module(name: str, **members: object) -> None:
    module = ModuleType(name)
    module.__dict__.update(members)
    sys.modules[name] = module


def _do_nothing(*_: object, **__: object) -> None: ...


def _stand_in_for_modules() -> None:
    _module(
        "devtools_testutils",
        AzureMgmtRecordedTestCase=Recorded,
        AzureRecordedTestCase=Recorded,
        RandomNameResourceGroupPreparer=Preparer,
        get_credential=lambda **_: Credential(),
        set_custom_default_matcher=_do_nothing,
    )
    sanitizers = ("add_remove_header_sanitizer", "add_general_regex_sanitizer", "add_oauth_response_sanitizer")
    _module("devtools_testutils.sanitizers", **dict.fromkeys(sanitizers, _do_nothing))
    _module("azure.mgmt.servicebus.models", AccessRights=SimpleNamespace(listen="Listen", send="Send"))
    kinds = {"Queue": QueuePreparer, "Namespace": NamespacePreparer}
    others = ("ResourceGroup", "Topic", "Subscription", "NamespaceAuthorizationRule", "QueueAuthorizationRule")
    preparers = {
        f"{cached}ServiceBus{kind}Preparer": kinds.get(kind, Preparer)
        for cached in ("", "Cached")
        for kind in (*kinds, *others)
    }
    # A test joins the namespace's name, here a host with its port, and this suffix.
    _module("servicebus_preparer", SERVICEBUS_ENDPOINT_SUFFIX="", **preparers)
    # They connect by TLS to a port of its own; the stand-in speaks plain AMQP, as an emulator does.
    ServiceBusClient.__init__ = functools.partialmethod(ServiceBusClient.__init__, use_tls=False)  # type: ignore[assignment]


logging.disable()  # they log each frame, which costs more than all else

_stand_in_for_modules()  # now: the SDK's conftest, which imports them, is loaded before any hook of a plugin


@pytest.fixture(scope="session")
def test_proxy() -> None:
    """What the SDK's conftest asks for: a recorder of HTTP, which nothing here uses."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = set(os.environ.get("STAND_IN_LEFT_OUT", "").split())
    slow = os.environ.get("STAND_IN_SLOW", "").split()

    def name(item: pytest.Item) -> str:
        return item.name.partition("[")[0]

    config.hook.pytest_deselected(items=[item for item in items if name(item) in left_out])
    quick = [item for item in items if name(item) not in left_out and name(item) not in slow]
    first = sorted((item for item in items if name(item) in slow), key=lambda item: slow.index(name(item)))
    # Each worker begins with two: a slow one and a quick one.
    items[:] = [item for pair in zip(first, quick, strict=False) for item in pair] + quick[len(first) :]
