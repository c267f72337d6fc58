"""Make the database and its containers in an emulator: `uv run python scripts/create_containers.py`.

Takes the connection from local.settings.json, or from the environment, which goes before it.  In a real account the
infrastructure makes them: the identity of an app may read and write items, and make nothing.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from azure.core.exceptions import AzureError
from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient
from azure.cosmos.exceptions import CosmosHttpResponseError

sys.path.insert(0, str(Path(__file__).parents[1]))

from adapters.cosmos.containers import CONTAINERS
from adapters.settings import CONNECTIONS, Settings

CONNECTION = ("cosmos", "cosmos_database")


async def create(environment: Mapping[str, str], patience_seconds: float) -> str:
    """The name of the database; content with whatever is there already.

    Raises:
        SystemExit: The environment names no emulator, or it does not answer in time.
    """
    names = [CONNECTIONS[field] for field in CONNECTION]
    settings = Settings.read({name: environment[name] for name in names if name in environment})
    endpoint, key = settings.cosmos_address
    if not key:
        sys.exit("COSMOS must be the connection string of an emulator")
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            await _create(endpoint, key, settings.cosmos_database)
        except AzureError as error:
            is_refused = isinstance(error, CosmosHttpResponseError) and (error.status_code or 0) < 500
            if is_refused or time.monotonic() > deadline:
                sys.exit(f"{endpoint}: {error}")
            await asyncio.sleep(1)  # it has only just been started
        else:
            return settings.cosmos_database


async def _create(endpoint: str, key: str, name: str) -> None:
    client = CosmosClient(endpoint, credential=key, retry_total=0)
    try:
        await client.__aenter__()
        database = await client.create_database_if_not_exists(name)
        for spec in CONTAINERS:
            await database.create_container_if_not_exists(
                spec.name,
                PartitionKey(spec.partition_key),
                indexing_policy=spec.indexing_policy,
                default_ttl=spec.default_ttl,
            )
    finally:
        await client.close()  # also when it could not be entered


def main() -> None:
    """Make them, and say so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Path, default=Path("local.settings.json"), help="default: %(default)s")
    parser.add_argument("--wait", type=float, default=60, metavar="SECONDS", help="for an emulator that just starts")
    options = parser.parse_args()
    values = json.loads(options.settings.read_text())["Values"] if options.settings.exists() else {}
    name = asyncio.run(create({**values, **os.environ}, options.wait))
    print(f"database {name!r} has {', '.join(spec.name for spec in CONTAINERS)}")


if __name__ == "__main__":
    main()
