"""What comes from sources is kept, shown, looked through for collisions, and replayed; and what that tells a person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from adapters import arrivals as keeping
from adapters.wiring import Ports, ports
from devhost.host import _functions, _pumping, _pumps
from devhost.sharing import Loop
from domain.arrivals import Arrival
from domain.errors import UnavailableError
from endpoints import replaying
from endpoints.cursors import write_cursor
from tests.endpoints.asking import ask
from tests.serving import Answer

MAPPED = """\
sources:
  - kind: generic
    key: lab
    redact: [$.customer]
    mapping:
      name: title
      status: state
      labels: {%s}
"""


class Home:
    """The app in memory with its queues running, and a `tocsin.yml` that a test changes."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def map(self, labels: str) -> None:
        await asyncio.to_thread(self._file.write_text, MAPPED % labels)
        await ports().configurations.reload_own()

    async def send(self, **body: Any) -> Answer:
        said = {"title": "DiskFull", "state": "firing", "rule": "r1", **body}
        return await ask("receive_from_source", body=said, kind="generic", key="lab")

    async def arrivals(self, query: str = "") -> list[Any]:
        answer = await ask("list_arrivals", query=query)
        assert answer.status == 200, answer.text
        found: list[Any] = answer.json()["arrivals"]
        return found

    async def replay(self, **wanted: Any) -> Any:
        answer = await ask("replay_arrivals", body={"source": "generic/lab", **wanted})
        assert answer.status == 200, answer.text
        return answer.json()

    async def firing(self) -> list[dict[str, str]]:
        """The labels of what fires, without those that all have."""
        found = (await ask("list_live_alerts")).json()["alerts"]
        own = ("alertname", "source", "source_key")
        labels = [{name: text for name, text in one["labels"].items() if name not in own} for one in found]
        return sorted(labels, key=str)


@pytest_asyncio.fixture
async def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Home]:
    file = tmp_path / "tocsin.yml"
    file.write_text(MAPPED % "rule: rule")
    monkeypatch.setenv("TOCSIN_HOME", "memory")
    monkeypatch.setenv("TOCSIN_OWN_CONFIGURATION", str(file))
    ports.cache_clear()
    async with _pumping(_pumps(_functions(), ports(), Loop())):
        yield Home(file)
    await ports().close()
    ports.cache_clear()


class TestKeeping:
    async def test_what_came_is_listed_and_shown(self, home: Home) -> None:
        assert (await home.send(host="x", customer="ann", password="hunter2")).status == 202
        (one,) = await home.arrivals()
        assert (one["source"], one["alert_count"], one["rejection"]) == ("generic/lab", 1, None)
        assert one["alerts"][0]["status"] == "firing"
        assert one["alerts"][0]["labels"]["rule"] == "r1"
        shown = await ask("show_arrival", id=one["id"])
        assert "hunter2" not in shown.text
        assert "ann" not in shown.text
        told = shown.json()
        assert told["body"]["host"] == "x"
        assert told["redacted"] == ["$.customer", "$.password"]
        assert told["headers"] == {"content-type": "application/json"}

    async def test_what_is_refused_is_kept_before_it_is_refused(self, home: Home) -> None:
        answer = await ask("receive_from_source", body=[1], kind="zabbix", key="x")
        assert answer.status == 422
        await home.send()
        (one,) = await home.arrivals("rejected=true")
        assert one["rejection"] == answer.json()["detail"]
        assert (one["alert_count"], one["source"]) == (0, "zabbix/x")
        assert [found["source"] for found in await home.arrivals("rejected=false")] == ["generic/lab"]

    async def test_pages_and_filters(self, home: Home) -> None:
        for number in range(5):
            await home.send(rule=f"r{number}")
        await ask("receive_from_source", body={}, kind="zabbix", key="x")
        seen: list[str] = []
        cursor = ""
        while True:
            query = "source=generic/lab&limit=2" + (f"&cursor={cursor}" if cursor else "")
            page = (await ask("list_arrivals", query=query)).json()
            seen += [one["alerts"][0]["labels"]["rule"] for one in page["arrivals"]]
            if (cursor := page["next"]) is None:
                break
        assert seen == ["r4", "r3", "r2", "r1", "r0"]
        assert len(await home.arrivals("source=zabbix")) == 1
        assert await home.arrivals("source=zabbix/other") == []
        assert await home.arrivals("until=1h") == []
        assert len(await home.arrivals("since=1h")) == 6
        for wrong in ("since=never", f"cursor={write_cursor('arrivals', 'x')}", "cursor=x"):
            assert (await ask("list_arrivals", query=wrong)).status == 422
        assert await home.arrivals("since=9999-12-31") == []
        assert len(await home.arrivals("since=1900-01-01&until=9999-12-31")) == 6

    async def test_with_no_retention_nothing_is_kept(self, home: Home) -> None:
        ports().arrivals.retention = timedelta(0)
        assert (await home.send()).status == 202
        page = (await ask("list_arrivals")).json()
        assert (page["arrivals"], page["retention_hours"], page["lost"]) == ([], 0, 0)

    @pytest.mark.parametrize("fault", [UnavailableError("the store is away"), KeyError("a bug")])
    async def test_a_copy_that_cannot_be_kept_costs_no_alert(
        self, home: Home, monkeypatch: pytest.MonkeyPatch, fault: Exception
    ) -> None:
        tried = 0

        async def fail(_: Arrival) -> None:
            nonlocal tried
            tried += 1
            raise fault

        monkeypatch.setattr(ports().arrivals.store, "record_arrival", fail)
        for number in range(3):
            assert (await home.send(rule=f"r{number}")).status == 202
        assert (await ask("receive_from_source", body=[1], kind="zabbix", key="x")).status == 422
        assert ports().arrivals.lost == 4
        assert tried == (1 if isinstance(fault, UnavailableError) else 4), "a store that is away is left alone"
        assert len(await home.firing()) == 3

    async def test_an_answer_waits_for_a_copy_only_so_long(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        never = asyncio.Event()

        async def hang(_: Arrival) -> None:
            await never.wait()

        monkeypatch.setattr(keeping, "PATIENCE_SECONDS", 0.05)
        monkeypatch.setattr(ports().arrivals.store, "record_arrival", hang)
        assert (await home.send()).status == 202
        assert (await ask("list_arrivals")).json()["lost"] == 1

    async def test_the_sweep_forgets(self, home: Home) -> None:
        await home.send()
        kept: Ports = ports()
        await kept.arrivals.forget(kept.clock() + timedelta(hours=167))
        assert len(await home.arrivals()) == 1
        await kept.arrivals.forget(kept.clock() + timedelta(hours=169))
        assert await home.arrivals() == []


class TestReplaying:
    async def test_a_corrected_mapping_is_put_in_force(self, home: Home) -> None:
        for host in ("x", "y", "x"):
            await home.send(host=host)
        assert await home.firing() == [{"rule": "r1"}]
        await home.map("rule: rule, host: host")
        dry = await home.replay(dry_run=True)
        assert await home.firing() == [{"rule": "r1"}], "a dry run sends nothing"
        real = await home.replay()
        assert await home.firing() == [{"host": "x", "rule": "r1"}, {"host": "y", "rule": "r1"}]
        assert {**real, "dry_run": True} == dry
        assert real["counts"]["changed"] == 3
        assert sorted(step["action"] for step in real["steps"]) == ["fires", "fires", "resolves"]
        first = real["arrivals"][0]
        assert (first["verdict"], first["before"][0]["labels"].get("host")) == ("changed", None)
        assert first["after"][0]["labels"]["host"] == "x"

    async def test_a_second_time_there_is_nothing_to_do(self, home: Home) -> None:
        await home.send(host="x")
        await home.map("host: host")
        await home.replay()
        before = await home.firing()
        again = await home.replay()
        assert (again["steps"], again["arrivals"], again["counts"]["unchanged"]) == ([], [], 1)
        assert await home.firing() == before == [{"host": "x"}]
        (one,) = await home.arrivals()
        assert one["replayed_at"] is not None
        assert one["alerts"][0]["labels"]["host"] == "x"

    async def test_nothing_fires_again_whose_resolve_came_later(self, home: Home) -> None:
        await home.send(host="x")
        await home.send(host="y")
        middle = ports().clock().isoformat().replace("+00:00", "Z")
        await home.send(host="x", state="resolved")
        await home.map("host: host")
        told = await home.replay(until=middle)
        assert told["also_read"] == 1
        assert await home.firing() == [{"host": "y"}]

    async def test_what_was_refused_is_taken_in(self, home: Home) -> None:
        await home.map("rule: missing")
        assert (await home.send(host="x")).status == 422
        await home.map("host: host")
        told = await home.replay()
        assert told["counts"]["accepted"] == 1
        assert await home.firing() == [{"host": "x"}]

    async def test_what_was_masked_and_identifies_is_not_replayed(self, home: Home) -> None:
        await home.send(customer="ann")
        await home.map("customer: customer")
        told = await home.replay()
        assert told["counts"]["unreadable"] == 1
        assert "$.customer" in told["arrivals"][0]["why"]
        assert await home.firing() == [{"rule": "r1"}]

    async def test_what_identified_from_the_beginning_and_was_masked_is_known(self, home: Home) -> None:
        await home.map("customer: customer")
        await home.send(customer="ann")
        (one,) = await home.arrivals()
        assert (one["is_replayable"], one["alerts"][0]["labels"]["customer"]) == (False, "[redacted]")
        await home.map("rule: rule")
        assert (await home.replay())["counts"]["unreadable"] == 1
        assert await home.firing() == [{"customer": "ann"}]

    async def test_more_than_can_be_read_again_is_refused(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(replaying, "MOST_READ", 2)
        for host in "xyz":
            await home.send(host=host)
        await home.map("rule: rule, host: host")
        answer = await ask("replay_arrivals", body={"source": "generic/lab"})
        assert answer.status == 422
        assert "only the latest 2 payloads" in answer.json()["detail"]
        second = (await home.arrivals())[1]["received_at"]
        told = await home.replay(since=second)
        assert told["counts"]["changed"] == 2

    async def test_only_those_that_are_named(self, home: Home) -> None:
        await home.send(rule="r1", host="x")
        await home.send(rule="r2", host="y")
        second, _ = await home.arrivals()
        await home.map("host: host")
        told = await home.replay(ids=[second["id"]])
        assert (told["counts"]["changed"], told["also_read"]) == (1, 1)
        assert await home.firing() == [{"host": "y"}, {"rule": "r1"}]

    @pytest.mark.parametrize(
        ("wanted", "status"),
        [
            ({"source": "generic"}, 422),
            ({"source": "nothing/x"}, 404),
            ({"source": "generic/lab", "ids": ["0"]}, 404),
            ({"source": "generic/lab", "since": "never"}, 422),
            ({"source": "generic/lab", "from": "1h"}, 422),
            ({"source": "generic/lab"}, 200),
        ],
    )
    async def test_what_is_refused(self, home: Home, wanted: dict[str, Any], status: int) -> None:
        assert (await ask("replay_arrivals", body=wanted)).status == status


class TestCollisions:
    async def test_they_are_told_with_what_they_are_made_of(self, home: Home) -> None:
        for host in ("x", "y", "x"):
            await home.send(host=host)
        told = (await ask("list_collisions")).json()
        (one,) = told["collisions"]
        assert (one["kind"], one["strength"], one["source"]) == ("merge", "likely", "generic/lab")
        assert one["differs"] == {"$.host": ["x", "y"]}
        assert (await ask("show_arrival", id=one["examples"][0]["arrival"])).status == 200
        assert (told["arrivals"], told["alerts"], told["is_cut"]) == (3, 1, False)

    async def test_a_source_and_a_time(self, home: Home) -> None:
        for host in ("x", "y"):
            await home.send(host=host)
        assert (await ask("list_collisions", query="source=zabbix")).json()["arrivals"] == 0
        assert (await ask("list_collisions", query="until=1h")).json()["collisions"] == []
        assert len((await ask("list_collisions", query="source=generic/lab")).json()["collisions"]) == 1
