"""What stands in files beside the code fits the code: host.json, the example of settings, the emulators' queues."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

import function_app
from adapters.cosmos.containers import CONTAINERS, LEASES
from adapters.settings import CONNECTIONS, Settings, variable_of
from devhost.host import NAMES
from devhost.servicebus_pump import RENEWED_FOR_SECONDS
from domain.groups import SHARDS
from domain.queues import QueueName
from endpoints.consumer import LONGEST_WAIT_SECONDS, PATIENCE_SECONDS
from scripts.create_containers import create
from tests.functions.golden import FILE, render
from tests.functions.worker_check import functions_of
from tests.standins.cosmos import CosmosStandIn

ROOT = Path(__file__).parents[2]
HOST = json.loads((ROOT / "host.json").read_text())
EXAMPLE: dict[str, str] = json.loads((ROOT / "local.settings.example.json").read_text())["Values"]
PAGE = (ROOT / "docs" / "azure.md").read_text()
EMULATED = json.loads((ROOT / "emulators" / "servicebus.json").read_text())["UserConfig"]["Namespaces"][0]
QUEUES: set[str] = set(get_args(QueueName.__value__))

FUNCTIONS = functions_of(function_app.app)
TRIGGERS: list[dict[str, Any]] = [
    {"type": trigger.type, **trigger.get_dict_repr()}
    for function in FUNCTIONS
    if (trigger := function.get_trigger()) is not None
]


def triggers(kind: str) -> list[dict[str, Any]]:
    return [trigger for trigger in TRIGGERS if trigger["type"] == kind]


def span(text: str) -> timedelta:
    """A .NET TimeSpan, hh:mm:ss."""
    hours, minutes, seconds = map(int, text.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def settings_named() -> set[str]:
    """Every NAME that stands as %NAME% in a trigger."""
    return set(re.findall(r"%(\w+)%", json.dumps(TRIGGERS, default=str)))


# --- triggers ---------------------------------------------------------------------------------------------------------


def test_the_host_is_told_what_it_was_told_before() -> None:
    assert render(FUNCTIONS) == FILE.read_text(), "look at what has changed, then: python -m tests.functions.golden -h"


def test_every_name_in_a_trigger_is_set_on_both_homes() -> None:
    assert settings_named() == set(NAMES)
    assert {name: EXAMPLE[name] for name in NAMES} == NAMES


def test_every_queue_has_one_trigger() -> None:
    named = [NAMES[trigger["queueName"].strip("%")] for trigger in triggers("serviceBusTrigger")]
    assert sorted(named) == sorted(QUEUES)


def test_the_connections_of_the_triggers_are_those_that_the_adapters_use() -> None:
    connections = {trigger["connection"] for trigger in TRIGGERS if "connection" in trigger}
    assert connections == {"COSMOS", "SERVICE_BUS"}
    # The host takes a connection string by that name, or an identity by settings below it.
    suffixes = {name.partition("__")[2] for name in CONNECTIONS.values() if name.partition("__")[0] in connections}
    assert suffixes == {"", "accountEndpoint", "fullyQualifiedNamespace"}


def test_only_the_groups_have_sessions() -> None:
    with_sessions = {
        trigger["queueName"] for trigger in triggers("serviceBusTrigger") if "isSessionsEnabled" in trigger
    }
    assert with_sessions == {"%GROUPS_QUEUE%"}


def test_the_feeds_read_a_container_that_there_is_and_share_no_lease() -> None:
    names = {spec.name for spec in CONTAINERS}
    feeds = triggers("cosmosDBTrigger")
    assert {feed["containerName"] for feed in feeds} <= names
    assert {feed["leaseContainerName"] for feed in feeds} == {LEASES.name}
    assert LEASES.partition_key == "/id", "the host keeps its leases by this key"
    prefixes = [feed["leaseContainerPrefix"] for feed in feeds]
    assert len(set(prefixes)) == len(prefixes), "two functions with one prefix would each see half of the feed"
    # With an identity the host may not, and then the function does not start.
    assert not any("createLeaseContainerIfNotExists" in feed for feed in feeds)


def test_no_batch_of_the_feed_is_given_up() -> None:
    for function in FUNCTIONS:
        trigger = function.get_trigger()
        if trigger is not None and trigger.type == "cosmosDBTrigger":
            policy = function.get_settings_dict("retry_policy")
            assert policy is not None
            assert policy["max_retry_count"] == "-1"


# --- host.json --------------------------------------------------------------------------------------------------------


def test_paths_have_no_prefix() -> None:
    assert HOST["extensions"]["http"]["routePrefix"] == "", (
        "Prometheus asks for /api/v2, and /-/ready stands at the top"
    )


def test_a_message_is_completed_by_the_host_and_comes_alone() -> None:
    bus = HOST["extensions"]["serviceBus"]
    assert bus["autoCompleteMessages"] is True
    assert bus["prefetchCount"] == 0, "a prefetched message waits under a lock that nobody renews"
    assert bus["maxConcurrentCallsPerSession"] == 1, "the messages of a shard are folded in their order"
    assert bus["maxConcurrentSessions"] == SHARDS, "one instance alone leaves no shard waiting for a slot"
    assert not any("cardinality" in trigger for trigger in triggers("serviceBusTrigger")), "locks renew for single ones"


def test_a_lock_outlives_the_wait_for_an_outage_and_a_function_its_lock() -> None:
    renewed = span(HOST["extensions"]["serviceBus"]["maxAutoLockRenewalDuration"])
    assert renewed >= timedelta(seconds=PATIENCE_SECONDS + LONGEST_WAIT_SECONDS)
    assert renewed == timedelta(seconds=RENEWED_FOR_SECONDS), "the dev host does as the host does"
    assert span(HOST["functionTimeout"]) > renewed


def test_the_host_has_no_retry_policy_of_its_own() -> None:
    assert "retry" not in HOST, "the host ignores it since version 4; a function has its own"


def test_every_setting_of_the_host_has_its_reason() -> None:
    names = {"functionTimeout", "extensionBundle", *HOST["logging"]}
    names |= {f"{section}.{name}" for section, extension in HOST["extensions"].items() for name in extension}
    assert {name for name in names if f"`{name}`" not in PAGE} == set()


# --- settings ---------------------------------------------------------------------------------------------------------


def test_every_setting_is_in_the_example_or_on_the_page() -> None:
    variables = {variable_of(field) for field in Settings.model_fields}
    assert {name for name in variables if name not in EXAMPLE and f"`{name}`" not in PAGE} == set()


def test_every_setting_of_the_example_is_on_the_page() -> None:
    assert {name for name in EXAMPLE if f"`{name}`" not in PAGE} == set()


def test_the_example_is_one_that_the_app_takes() -> None:
    settings = Settings.read(EXAMPLE)
    assert settings.home == "azure"
    assert settings.cosmos_address[0] == "http://localhost:8081/"
    unread = {name for name in EXAMPLE if name.startswith("TOCSIN_")} - {variable_of(f) for f in Settings.model_fields}
    assert not unread, "nobody reads these"


# --- emulators --------------------------------------------------------------------------------------------------------


def test_the_emulator_has_the_queues_as_far_as_it_can() -> None:
    queues = {queue["Name"]: queue["Properties"] for queue in EMULATED["Queues"]}
    assert queues.keys() >= QUEUES
    assert {name for name, queue in queues.items() if queue.get("RequiresSession")} == {"groups"}
    # Never where a message id is not one of an outbox: the same tick may be meant twice.
    with_detection = {name for name, queue in queues.items() if queue.get("RequiresDuplicateDetection")}
    assert with_detection & QUEUES == {"deliveries", "triage"}
    # The schema of the emulator's own repository allows no more.
    assert {queue["MaxDeliveryCount"] for queue in queues.values()} == {10}
    assert EMULATED["Name"] == "sbemulatorns"


def test_the_emulators_listen_on_this_machine_only() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
    (config,) = services["servicebus"]["volumes"]
    assert (ROOT / config.partition(":")[0]).is_file()


async def test_the_script_makes_the_database_twice_over() -> None:
    async with CosmosStandIn() as server:
        environment = {"COSMOS": f"AccountEndpoint={server.url};AccountKey={server.key};", "COSMOS_DATABASE": "other"}
        for _ in range(2):
            assert await create(environment, patience_seconds=0) == "other"
        made = [call for call in server.calls if "colls" in str(call)]
        assert len(made) >= len(CONTAINERS)


async def test_the_script_makes_nothing_in_a_real_account() -> None:
    with pytest.raises(SystemExit, match="emulator"):
        await create({"COSMOS__accountEndpoint": "https://example.documents.azure.com:443/"}, patience_seconds=0)
