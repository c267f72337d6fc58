"""The contract with Azure's action groups: whatever goes wrong here, the answer is one that they try again on.

They do on 408, 429, 503 and 504, and on nothing else:
https://learn.microsoft.com/azure/azure-monitor/alerts/action-groups#webhook-retry-behavior (of 21 July 2026).
So what may be right another time is 429 or 503, with the time to wait; what never will be is 4xx; 500 does not occur.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.wiring import Ports, ports
from domain.errors import UnavailableError
from domain.principals import Scope
from endpoints import sources
from endpoints.pipeline import SOURCE
from tests.builders import NOON
from tests.endpoints.asking import ask, bearer, functions, give_key, route
from tests.serving import Answer
from tests.standins.alerts_management import SUBSCRIPTION, AlertsManagementStandIn, payload_of

PAYLOAD = payload_of(AlertsManagementStandIn().fire(1, NOON), 1)
TRIED_AGAIN = {408, 429, 503, 504}

type Break = Callable[[pytest.MonkeyPatch, Exception], None]


@pytest_asyncio.fixture
async def home(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ports]:
    for name, value in {
        "HOME": "memory",
        "AUTH": "true",
        "RECONCILE_SUBSCRIPTIONS": SUBSCRIPTION,
        "REQUEST_SECONDS": "0.2",
    }.items():
        monkeypatch.setenv(f"TOCSIN_{name}", value)
    ports.cache_clear()
    yield ports()
    await ports().close()
    ports.cache_clear()


async def call(body: Any = PAYLOAD) -> Answer:
    """What an action group's webhook is answered: its key stands in the address."""
    token = await give_key(Scope.INGEST)
    return await ask("receive_from_source", body=body, kind="azure-monitor", key=token)


def in_place_of(find: Callable[[], Any], name: str) -> Break:
    """Have this call fail."""

    def replace(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
        async def fail(*_: Any, **__: Any) -> None:
            raise error

        monkeypatch.setattr(find(), name, fail)

    return replace


def in_the_reader(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("domain.sources.receiving.read_source", fail)


PLACES: dict[str, Break] = {
    "the keys": in_place_of(lambda: ports().keys, "get_key"),
    "the policy": in_place_of(lambda: ports().policy, "get_head"),
    "the queue": in_place_of(lambda: ports().queues, "send_events"),
    "the handler": in_place_of(lambda: sources, "take_in_from"),
    "the reader": in_the_reader,
}
FAULTS: dict[str, Exception] = {
    "is away": UnavailableError("it is away"),
    "has a fault of the system's": OSError(28, "no space left on device"),
    "has a bug": KeyError("bug"),
    "ran out of stack": RecursionError("maximum recursion depth exceeded"),
    "ran out of memory": MemoryError(),
    "took too long": TimeoutError(),
}


async def test_success_is_2xx_when_it_is_durable(home: Ports) -> None:
    answer = await call()
    assert answer.status == 202
    assert await home.queues.count_waiting() == 1


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", PLACES)
async def test_trouble_is_tried_again(home: Ports, monkeypatch: pytest.MonkeyPatch, place: str, fault: str) -> None:
    token = await give_key(Scope.INGEST)
    PLACES[place](monkeypatch, FAULTS[fault])
    answer = await ask("receive_from_source", body=PAYLOAD, kind="azure-monitor", key=token)
    assert answer.status in TRIED_AGAIN, answer.text
    assert int(answer.headers["retry-after"]) >= 1
    assert "bug" not in answer.text
    assert "no space left" not in answer.text


async def test_what_takes_too_long_is_given_up(home: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: Any, **__: Any) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(home.queues, "send_events", hang)
    assert (await call()).status == 503


async def test_too_much_waiting_and_too_many_requests(home: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as full:
        full.setenv("TOCSIN_MOST_WAITING", "1")
        ports.cache_clear()
        assert [(await call()).status for _ in range(2)] == [202, 503]
        await ports().close()
    monkeypatch.setenv("TOCSIN_INGEST_BURST", "1")
    monkeypatch.setenv("TOCSIN_INGEST_PER_SECOND", "0.001")
    ports.cache_clear()
    token = await give_key(Scope.INGEST)
    answers = [await ask("receive_from_source", body=PAYLOAD, kind="azure-monitor", key=token) for _ in range(2)]
    assert [answer.status for answer in answers] == [202, 429]
    assert int(answers[1].headers["retry-after"]) >= 1


@pytest.mark.parametrize("fault", [UnavailableError("away"), OSError("away"), KeyError("bug")])
async def test_what_is_not_promised_costs_no_alert(
    home: Ports, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """Raw copies and receipts: without them an alert is as durable as with them."""

    async def fail(*_: Any, **__: Any) -> None:
        raise fault

    monkeypatch.setattr(home.receipts, "note_receipts", fail)
    monkeypatch.setattr(home.arrivals.store, "record_arrival", fail)
    assert (await call()).status == 202
    assert await home.queues.count_waiting() == 1
    assert (await call({"schemaId": "x"})).status == 422


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"schemaId": "AzureMonitorMetricAlert"}, 422, id="another schema"),
        pytest.param([], 422, id="no object"),
        pytest.param({"x": "x" * (5 * 1024 * 1024)}, 413, id="too large"),
    ],
)
async def test_what_never_will_be_right_is_not_tried_again(home: Ports, body: Any, status: int) -> None:
    assert (await call(body)).status == status


async def test_nor_is_what_nobody_may_send(home: Ports) -> None:
    assert (await ask("receive_from_source", body=PAYLOAD, kind="azure-monitor", key="shop")).status == 401
    token = await give_key(Scope.READ)
    assert (await ask("receive_from_source", body=PAYLOAD, kind="azure-monitor", key=token)).status == 403
    headers = bearer(await give_key(Scope.INGEST))
    assert (await ask("receive_from_source", headers, body=PAYLOAD, kind="nagios", key="shop")).status == 404


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.one_of(
        st.binary(max_size=300),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["schemaId", "data", "essentials", "alertContext", "x"]), inner, max_size=3
                )
            ),
            max_leaves=10,
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_no_bytes_make_500(body: bytes) -> None:
    import azure.functions as func

    async def send() -> int:
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setenv("TOCSIN_HOME", "memory")
            ports.cache_clear()
            request = func.HttpRequest(
                "POST",
                "https://tocsin.example.com/" + SOURCE.format(kind="azure-monitor", key="x"),
                headers={},
                route_params={"kind": "azure-monitor", "key": "x"},
                body=body,
            )
            response = await functions()[route("receive_from_source").name](request=request)
            await ports().close()
            ports.cache_clear()
            return int(response.status_code)

    assert asyncio.run(send()) in (202, 400, 413, 422)
