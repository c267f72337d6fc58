"""UptimeRobot's webhook as a source."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings

from domain.sources.reading import Payload
from domain.sources.uptimerobot import read
from tests.domain.sources.cases import RECEPTION, alert_of, cases, is_firing, outcome
from tests.domain.sources.mangling import HOSTILE, check, mangled


@pytest.mark.parametrize("case", cases("uptimerobot"))
def test_what_becomes_of_it(case: dict[str, Any]) -> None:
    assert outcome(read, case) == {key: case[key] for key in ("expected", "problems", "rejected") if key in case}


DOWN = {"monitorID": "7", "monitorURL": "https://a/", "monitorFriendlyName": "Shop", "alertType": "1"}
UP = {**DOWN, "alertType": "2", "alertDuration": "60", "alertDateTime": "1795348000", "alertDetails": "HTTP 200"}
EXPIRING = {**DOWN, "alertType": "3", "sslExpiryDaysLeft": "7"}


def test_five_monitors_are_five_alerts() -> None:
    assert len({alert_of(read, {**DOWN, "monitorID": i}).fingerprint for i in range(5)}) == 5
    no_ids = [{"monitorURL": f"https://a{i}/", "alertType": "1"} for i in range(5)]
    assert len({alert_of(read, one).fingerprint for one in no_ids}) == 5


def test_up_ends_its_own() -> None:
    down, up = alert_of(read, DOWN), alert_of(read, {**UP, "monitorURL": "https://corrected/"})
    assert (down.fingerprint, is_firing(down)) == (up.fingerprint, True)
    assert not is_firing(up)
    assert alert_of(read, {**UP, "monitorID": "8"}).fingerprint != down.fingerprint


def test_a_certificate_is_another_matter_than_the_site() -> None:
    expiring = alert_of(read, EXPIRING)
    assert is_firing(expiring)
    assert expiring.fingerprint != alert_of(read, DOWN).fingerprint
    assert expiring.fingerprint == alert_of(read, {**EXPIRING, "sslExpiryDaysLeft": "1"}).fingerprint


def test_a_number_and_its_text_are_one_monitor() -> None:
    assert alert_of(read, DOWN).labels == alert_of(read, {**DOWN, "monitorID": 7, "alertType": 1}).labels


def test_a_form_is_the_same_as_json() -> None:
    form = Payload(urlencode(DOWN).encode(), {"content-type": "application/x-www-form-urlencoded"})
    assert read(form, RECEPTION).alerts[0].labels == alert_of(read, DOWN).labels


@pytest.mark.parametrize("body", HOSTILE)
def test_hostile_forms_are_refused_or_read(body: bytes) -> None:
    check("uptimerobot", read, body, {"content-type": "application/x-www-form-urlencoded"})


@pytest.mark.parametrize("body", HOSTILE)
def test_hostile_bodies_are_refused_or_read(body: bytes) -> None:
    check("uptimerobot", read, body, {"content-type": "application/json"})


@given(mangled("uptimerobot"))
@settings(max_examples=100, deadline=None)
def test_what_no_sender_sends(sent: tuple[bytes, dict[str, str]]) -> None:
    check("uptimerobot", read, *sent)
