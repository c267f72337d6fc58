"""What of a payload is kept, and of what was made of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import timedelta

import pytest

from domain.arrivals import Arrival, arrival_id, received_at_of
from domain.errors import RejectedError
from domain.labels import fingerprint
from domain.sources.definitions import Source
from domain.sources.keeping import ALERTS_TOLD, MOST_BODY_BYTES, arrive
from domain.sources.reading import Payload, Reading
from domain.sources.redaction import MASK
from tests.builders import HOUR, NOON, alert

SOURCE = Source("generic", "lab")


def kept(
    body: bytes = b"{}",
    headers: Mapping[str, str] | None = None,
    read: Reading | RejectedError | None = None,
    *paths: str,
) -> Arrival:
    return arrive(SOURCE, paths, Payload(body, headers or {}), NOON, read or Reading([alert()]), "0a")


def test_it_is_kept_with_what_it_became() -> None:
    firing, resolved = alert(instance="db-1"), alert("resolved", instance="db-2")
    arrival = kept(b'{"a": 1}', {"Content-Type": "application/json"}, Reading([firing, resolved], ["alerts.2: wrong"]))
    assert (arrival.source, arrival.received_at, arrival.size, arrival.is_cut) == ("generic/lab", NOON, 8, False)
    assert arrival.payload() == Payload(b'{"a": 1}', {"content-type": "application/json"})
    assert [(one.fingerprint, one.labels, one.is_firing) for one in arrival.alerts] == [
        (firing.fingerprint, firing.labels, True),
        (resolved.fingerprint, resolved.labels, False),
    ]
    assert (arrival.alert_count, arrival.problems, arrival.rejection) == (2, ("alerts.2: wrong",), "")


def test_what_was_refused_is_kept_with_the_reason() -> None:
    arrival = kept(b"{", read=RejectedError("no JSON"))
    assert (arrival.rejection, arrival.alerts, arrival.alert_count) == ("no JSON", (), 0)
    assert kept(read=RejectedError("")).rejection, "a refusal always shows"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        pytest.param("{'ü': 'no JSON'}".encode(), "text", id="UTF-8"),
        pytest.param("ünïcode".encode("latin-1"), "base64", id="another encoding"),
        pytest.param(bytes(range(256)), "base64", id="bytes"),
        pytest.param(b"", "text", id="nothing"),
    ],
)
def test_any_bytes_are_kept(body: bytes, encoding: str) -> None:
    arrival = kept(body)
    assert arrival.encoding == encoding
    assert arrival.payload().body == body


def test_bytes_are_looked_through_for_secrets_too() -> None:
    arrival = kept(b'{"\xfc": 1, "password": "hunter2"}')
    assert base64.b64decode(arrival.body) == b'{"\xfc": 1, "password": "%s"}' % MASK.encode()


def test_only_some_headers_are_kept() -> None:
    headers = {
        "authorization": "Bearer x",
        "x-api-key": "x",
        "cookie": "x",
        "x-routing-key": "x",
        "x-forwarded-for": "192.0.2.1",
        "webhook-signature": "v1,x",
        "content-type": "application/json",
        "user-agent": "Grafana",
        "webhook-id": "1",
        "sentry-hook-resource": "issue",
        "ce-type": "com.example",
        "ce-authtoken": "x",
        "ce-source": "https://u:hunter2@x/",
    }
    assert kept(headers=headers).headers == {
        "content-type": "application/json",
        "user-agent": "Grafana",
        "webhook-id": "1",
        "sentry-hook-resource": "issue",
        "ce-type": "com.example",
        "ce-authtoken": MASK,
        "ce-source": f"https://{MASK}@x/",
    }


def test_what_is_too_long_is_cut_and_says_so() -> None:
    long = kept(json.dumps({"text": "é" * MOST_BODY_BYTES}, ensure_ascii=False).encode())
    assert long.is_cut
    assert long.encoding == "text"
    assert len(long.body.encode()) in range(MOST_BODY_BYTES - 4, MOST_BODY_BYTES + 1)
    assert long.size > 2 * MOST_BODY_BYTES
    assert kept(headers={"ce-x": "y" * 10_000}).is_cut
    assert not kept(b" " * MOST_BODY_BYTES).is_cut


def test_secrets_are_in_nothing_that_was_made_of_it() -> None:
    made = alert(instance="hunter2", api_key="other", text="it is hunter2 indeed")
    body = b'{"password": "hunter2"}'
    arrival = kept(body, {}, Reading([made], ["password: 'hunter2' is too weak"]))
    assert "hunter2" not in repr(arrival)
    assert arrival.alerts[0].fingerprint == fingerprint(made.labels)
    assert arrival.alerts[0].labels["api_key"] == MASK
    assert arrival.redacted == ("$.password",)
    assert "hunter2" not in repr(kept(body, {}, RejectedError("cannot read 'hunter2'")))


def test_behind_a_cut_nothing_was_looked_for_so_no_labels_are_kept() -> None:
    body = b" " * MOST_BODY_BYTES + b'{"private": "hunter2"}'
    made = Reading([alert(private="hunter2")])
    arrival = kept(body, {}, made, "$.private")
    assert "hunter2" not in repr(arrival)
    assert list(arrival.fingerprints) == [made.alerts[0].fingerprint]


def test_of_many_alerts_some_are_kept_with_their_labels() -> None:
    many = Reading([alert(number=str(number)) for number in range(ALERTS_TOLD + 3)])
    arrival = kept(read=many)
    assert len(arrival.alerts) == ALERTS_TOLD
    assert list(arrival.fingerprints) == [one.fingerprint for one in many.alerts]
    assert arrival.alert_count == ALERTS_TOLD + 3


def test_what_cannot_be_written_is_replaced() -> None:
    repr(kept(read=RejectedError("a lone \ud800")).rejection.encode())


def test_ids_sort_by_time_and_name_it() -> None:
    instants = [NOON, NOON + timedelta(microseconds=1), NOON + HOUR, NOON + timedelta(days=4000)]
    ids = [arrival_id("generic", "lab", at, "0a") for at in instants]
    assert ids == sorted(ids)
    assert [received_at_of(id) for id in ids] == instants
    assert kept().id == ids[0]
    for wrong in ("", "x", ids[0][:-1] + "/", ids[0].upper(), ids[0] + "é"):
        with pytest.raises(ValueError, match="no arrival"):
            received_at_of(wrong)
