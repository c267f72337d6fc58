"""The examples of docs/sources.md: what is written there about mapping and enrichment loads, and does what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path

from domain.configuration.own import OwnConfiguration, read_own_configuration
from domain.sources.enriching import enrich
from domain.sources.reading import Payload
from domain.sources.receiving import read_source
from tests.builders import NOON

PAGE = (Path(__file__).parents[2] / "docs" / "sources.md").read_text()


def block(heading: str, language: str) -> str:
    """The first example in that language below that heading."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    match = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert match, f"no {language} below {heading}"
    return match[1]


def configuration(heading: str) -> OwnConfiguration:
    files = {"services.csv": block("Enrichment and severity", "csv")}
    return read_own_configuration(block(heading, "yaml"), files=files)


def test_the_mapping_makes_of_the_body_what_the_page_says() -> None:
    source = configuration("Mapping generic JSON").sources.find("generic", "checks")
    body = json.loads(block("Mapping generic JSON", "json"))
    reading = read_source(source, Payload(json.dumps(body).encode(), {}), NOON)
    assert not reading.problems
    firing, over = reading.alerts
    assert firing.labels == {
        "alertname": "disk",
        "host": "db1",
        "site": "muc",
        "source": "generic",
        "source_key": "checks",
    }
    assert firing.annotations["summary"] == "disk on db1"
    assert (firing.ends_at > NOON, over.ends_at > NOON, over.labels["host"]) == (True, False, "db2")


def test_enrichment_does_what_the_page_says() -> None:
    source = configuration("Enrichment and severity").sources.find("zabbix", "default")
    labels, annotations, _ = enrich(
        {"host": "checkout-prod-3", "severity": "high"}, {"description": "see wiki/Disk"}, source
    )
    assert labels == {
        "host": "checkout-prod-3",
        "severity": "critical",
        "service": "checkout",
        "env": "prod",
        "team": "shop",
        "region": "eu",
    }
    assert annotations == {
        "description": "see wiki/Disk",
        "original_severity": "high",
        "runbook_page": "Disk",
        "owner": "ann@example.com",
        "phone": "+49 89 1",
        "runbook_url": "https://wiki.example/oncall",
    }
