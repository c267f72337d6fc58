"""Containers and queues are in `infra/` as the code has them, and no others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, get_args

import pytest

from adapters.cosmos.containers import CONTAINERS
from adapters.settings import Settings
from domain.queues import MAX_DELIVERY_COUNT, QueueName
from tests.infra.deployments import PARAMETERS, resources
from tests.standins.servicebus.server import QUEUES

BOTH = pytest.mark.parametrize("name", PARAMETERS)


# --- Cosmos DB --------------------------------------------------------------------------------------------------------


@BOTH
def test_every_container_is_as_the_code_expects_it_and_there_is_no_other(name: str) -> None:
    kind = "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers"
    deployed = {one.name.rpartition("/")[2]: one.body["properties"]["resource"] for one in resources(name, kind)}
    expected = {
        spec.name: {
            "id": spec.name,
            "partitionKey": {"paths": [spec.partition_key], "kind": "Hash", "version": 2},
            "defaultTtl": spec.default_ttl,
            "indexingPolicy": spec.indexing_policy,
        }
        for spec in CONTAINERS
    }
    assert deployed == expected


@BOTH
def test_the_database_has_the_name_that_the_app_looks_for(name: str) -> None:
    (database,) = resources(name, "Microsoft.DocumentDB/databaseAccounts/sqlDatabases")
    assert database.name.rpartition("/")[2] == Settings.read({}).cosmos_database
    assert database.body["properties"]["resource"] == {"id": Settings.read({}).cosmos_database}


def test_what_is_serverless_has_no_throughput_and_what_is_not_has() -> None:
    def options(name: str) -> dict[str, Any]:
        (database,) = resources(name, "Microsoft.DocumentDB/databaseAccounts/sqlDatabases")
        given: dict[str, Any] = database.body["properties"]["options"]
        return given

    def capabilities(name: str) -> list[dict[str, str]]:
        (account,) = resources(name, "Microsoft.DocumentDB/databaseAccounts")
        given: list[dict[str, str]] = account.body["properties"]["capabilities"]
        return given

    assert (options("least"), capabilities("least")) == ({}, [{"name": "EnableServerless"}])
    assert options("most").keys() == {"autoscaleSettings"}
    assert capabilities("most") == []


def test_a_session_reads_what_it_wrote() -> None:
    (account,) = resources("least", "Microsoft.DocumentDB/databaseAccounts")
    policy = account.body["properties"]["consistencyPolicy"]
    assert policy == {"defaultConsistencyLevel": "Session"}, "session tokens travel: docs/decisions/0009"
    assert len(account.body["properties"]["locations"]) == 1, "one region writes"


# --- Service Bus ------------------------------------------------------------------------------------------------------


def queues(name: str) -> dict[str, dict[str, Any]]:
    kind = "Microsoft.ServiceBus/namespaces/queues"
    return {one.name.rpartition("/")[2]: one.body["properties"] for one in resources(name, kind)}


@BOTH
def test_every_queue_is_there_and_no_other(name: str) -> None:
    assert queues(name).keys() == {*get_args(QueueName.__value__)}


@BOTH
def test_every_queue_is_what_the_stand_in_for_it_is(name: str) -> None:
    assert queues(name).keys() == QUEUES.keys()
    for queue, properties in queues(name).items():
        expected = QUEUES[queue]
        assert properties["requiresSession"] == expected.sessions, queue
        assert properties["maxDeliveryCount"] == expected.max_delivery_count == MAX_DELIVERY_COUNT, queue
        assert properties["lockDuration"] == f"PT{timedelta(seconds=expected.lock_seconds) // timedelta(minutes=1)}M"
        assert properties["requiresDuplicateDetection"] == bool(expected.duplicate_window_seconds), queue
        assert properties["duplicateDetectionHistoryTimeWindow"] == "PT10M", queue
        assert properties["deadLetteringOnMessageExpiration"] is True, "what runs out is not lost"


def test_the_tier_has_sessions_and_duplicate_detection() -> None:
    (namespace,) = resources("least", "Microsoft.ServiceBus/namespaces")
    assert namespace.body["sku"]["name"] in ("Standard", "Premium")
