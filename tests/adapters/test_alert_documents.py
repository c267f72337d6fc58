"""Stored alerts: those of before there were sources are read, and where one came from is kept."""

from __future__ import annotations

import json
from dataclasses import replace

from adapters.cosmos.items import from_stored, to_stored
from adapters.documents import decode, encode
from domain.alerts import Alert
from tests.builders import alert


def test_an_alert_of_before_there_were_sources_is_read() -> None:
    document = json.loads(encode(alert()))
    del document["origin"]
    assert decode(Alert, json.dumps(document)) == alert()


def test_where_an_alert_came_from_is_kept() -> None:
    sent = replace(alert(), origin=("grafana/production", 'team="shop" from lookup services.csv, line 2'))
    assert decode(Alert, encode(sent)) == sent
    assert from_stored(Alert, to_stored(sent)) == sent
