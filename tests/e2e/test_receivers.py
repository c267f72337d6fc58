"""Receivers in trouble: theirs alone, made up for when they are back (rule 10); and messages that nobody can read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.planting import plant_dead_letter, plant_in_sessions, plant_message
from tests.e2e.receiver import CLOSE, CUT, GARBAGE, HANG, OK, Behaviour, Receiver, failing, slow
from tests.serving import ROOT, Answer, Serving, eventually

GROUPS = {"sqlite": 30, "azure": 6}
"""For each receiver in trouble: more than it is told of at once, or what the stand-ins keep up with on two cores."""

GROUP_WAIT_SECONDS = 1.0
MARGIN_SECONDS = {"sqlite": 5.0, "azure": 20.0}
"""How much later than due a healthy receiver's page may come while the others fail.

The trouble lasts until the test ends it, so whatever comes meanwhile waited for none of them; the rest is two busy
cores and the stand-ins.
"""

RECOVERY_SECONDS = 30.0
"""A deadline of ten seconds, a postponement of fifteen at most, and the next flush."""

TROUBLES: dict[str, Behaviour] = {
    "broken": failing(500),
    "overloaded": failing(503, retry_after=3),
    "limited": failing(429, retry_after=2),
    "refusing": failing(400),
    "garbage": GARBAGE,
    "cut": CUT,
    "closing": CLOSE,
    "hanging": HANG,
    "slow": slow(1.0),
}
DOWN = "down"
"""The receiver that lives at an address of its own, where nobody listens."""
BAD = [*TROUBLES, DOWN]


def configuration(receiver: Receiver, down: Receiver) -> str:
    urls = {name: (down if name == DOWN else receiver).url(f"/{name}") for name in ("healthy", *BAD)}
    routes = "".join(f"    - {{receiver: {name}, matchers: ['team=\"{name}\"']}}\n" for name in urls)
    receivers = "".join(f"  - {{name: {name}, webhook_configs: [{{url: '{url}'}}]}}\n" for name, url in urls.items())
    return (
        "route:\n  receiver: healthy\n  group_by: [team, service]\n"
        f"  group_wait: {GROUP_WAIT_SECONDS:.0f}s\n  group_interval: 2s\n  repeat_interval: 12h\n"
        f"  routes:\n{routes}receivers:\n{receivers}"
    )


def post(tocsin: Serving, team: str, services: range, instance: str, *, is_resolved: bool = False) -> float:
    """Report an alert for each of these groups; returns when that was."""
    times = {"endsAt": datetime.now(UTC).isoformat()} if is_resolved else {}
    alerts = [
        {"labels": {"alertname": "Down", "team": team, "service": str(number), "instance": instance}, **times}
        for number in services
    ]
    at = time.monotonic()
    answer = tocsin.post("/api/v2/alerts", alerts)
    assert answer.status == 200, answer.text
    return at


type Said = tuple[set[str], set[str]]
"""The instances that fire, and those that are resolved."""


def wait_for_pages(receiver: Receiver, team: str, count: int) -> None:
    eventually(lambda: len(receiver.taken(f"/{team}")) >= count, f"{count} pages of {team}", seconds=RECOVERY_SECONDS)


def told(receiver: Receiver, team: str) -> dict[str, list[Said]]:
    """For each service, what every page said that was taken."""
    groups: dict[str, list[Said]] = {}
    for page in receiver.taken(f"/{team}"):
        said = page.names("instance"), page.names("instance", "resolved")
        groups.setdefault(page.group["service"], []).append(said)
    return groups


@pytest.fixture
def receivers() -> Iterator[tuple[Receiver, Receiver]]:
    with ExitStack() as stack:
        yield stack.enter_context(Receiver()), stack.enter_context(Receiver())


@pytest.mark.usefixtures("home")
def test_a_receiver_in_trouble_delays_no_other_and_hears_everything_once_it_is_back(
    tmp_path: Path, receivers: tuple[Receiver, Receiver]
) -> None:
    receiver, down = receivers
    with Serving(tmp_path, configuration(receiver, down)) as tocsin:
        third = GROUPS[tocsin.home] // 3
        kept, lost, new = range(third), range(third, 2 * third), range(2 * third, 3 * third)
        # Two thirds of the groups are told of while all is well.
        for team in BAD:
            post(tocsin, team, range(kept.start, lost.stop), "a")
        first: dict[str, list[Said]] = {str(number): [({"a"}, set())] for number in range(kept.start, lost.stop)}
        for team in BAD:
            wait_for_pages(_of(team, receivers), team, len(first))
            assert told(_of(team, receivers), team) == first
        eventually(lambda: tocsin.get("/api/v1/ledger").json()["pending"] == 0, "the first pages to be settled")

        # Then there is trouble, and news for everyone: more fires, some resolves, some is new.
        down.refuse()
        for team, behaviour in TROUBLES.items():
            receiver.behave(f"/{team}", behaviour)
        for team in BAD:
            post(tocsin, team, kept, "b")
            post(tocsin, team, lost, "a", is_resolved=True)
            post(tocsin, team, new, "a")

        # Whoever is well hears in time, at the beginning of the trouble and in its midst.
        for number in range(6):
            at = post(tocsin, "healthy", range(number, number + 1), "a")
            wait_for_pages(receiver, "healthy", number + 1)
            late = receiver.taken("/healthy")[-1].arrived_at - at - GROUP_WAIT_SECONDS
            assert late < MARGIN_SECONDS[tocsin.home], f"page {number} came {late:.2f} s after it was due"
        for team in BAD:
            if team != "slow":
                assert told(_of(team, receivers), team) == first, f"{team} took a page, though it was in trouble"

        # When it is over, each group's page comes, says what is so now, and comes once.
        down.listen()
        for team in TROUBLES:
            receiver.behave(f"/{team}", OK)
        expected: dict[str, list[Said]] = {
            **{str(number): [({"a"}, set()), ({"a", "b"}, set())] for number in kept},
            **{str(number): [({"a"}, set()), (set(), {"a"})] for number in lost},
            **{str(number): [({"a"}, set())] for number in new},
        }
        for team in BAD:
            wait_for_pages(_of(team, receivers), team, sum(len(said) for said in expected.values()))
        eventually(lambda: tocsin.get("/api/v1/ledger").json()["pending"] == 0, "everything to be settled", seconds=15)
        time.sleep(3)  # an interval and a half in which nothing more may come
        for team in BAD:
            assert told(_of(team, receivers), team) == expected, team
        assert told(receiver, "healthy") == {str(number): [({"a"}, set())] for number in range(6)}
        eventually(lambda: tocsin.get("/api/v1/ledger").json()["balanced"], "the ledger to be balanced")


def _of(team: str, receivers: tuple[Receiver, Receiver]) -> Receiver:
    return receivers[team == DOWN]


# --- messages that nobody can read ----------------------------------------------------------------------------------


def command(tocsin: Serving, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    return subprocess.run(
        [sys.executable, "-m", "devhost.cli", "dead-letters", *arguments, "--url", tocsin.url],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def listed(tocsin: Serving) -> Any:
    answer: Answer = tocsin.get("/api/v1/dead-letters")
    assert answer.status == 200, answer.text
    return answer.json()["dead_letters"]


LATE = json.dumps([{"labels": {"alertname": "Late", "team": "healthy", "service": "late"}}]).encode()


@pytest.mark.usefixtures("home")
def test_a_message_that_nobody_can_read_is_parked_with_its_reason_and_holds_nothing_up(
    tmp_path: Path, receivers: tuple[Receiver, Receiver]
) -> None:
    receiver, _ = receivers
    with Serving(tmp_path, configuration(*receivers)) as tocsin:
        tocsin.stop()
        body = b'{"configuration_version": 7, "events": "none"}'
        plant_in_sessions(tocsin, map(str, range(64)), body, size=3)
        plant_dead_letter(tocsin, "intake", LATE, "the store was away")
        plant_message(tocsin, "deliveries", b"\xff\x00 no JSON")
        plant_message(tocsin, "ticks", {"due_at": "noon"})
        plant_message(tocsin, "intake", b'[{"labels": {"alertname": "Good", "service": "in"}}, {"labels": {}}]')
        tocsin.start()
        at = post(tocsin, "healthy", range(8), "a")  # through the same sessions
        eventually(lambda: set(map(str, range(8))) <= told(receiver, "healthy").keys(), "the pages behind them")
        arrivals = [page.arrived_at for page in receiver.taken() if page.group["service"] != "in"]
        assert max(arrivals) - at < GROUP_WAIT_SECONDS + MARGIN_SECONDS[tocsin.home]
        eventually(lambda: "in" in told(receiver, "healthy"), "the page of the good alert of the intake")

        letters = eventually(lambda: letters if len(letters := listed(tocsin)) == 68 else [], "all to be parked")
        (late,) = [letter for letter in letters if letter["kind"] == "dead"]
        letters.remove(late)
        assert (late["queue"], late["reason"]) == ("intake", "the store was away")
        assert Counter(letter["queue"] for letter in letters) == {
            "groups": 64,
            "deliveries": 1,
            "ticks": 1,
            "intake": 1,
        }
        assert {letter["kind"] for letter in letters} == {"parked"}
        ledger = tocsin.get("/api/v1/ledger").json()
        assert (ledger["parked"], ledger["balanced"]) == (64 * 3, True), ledger
        reasons = {letter["queue"]: letter["reason"] for letter in letters}
        assert "not a GroupEvents" in reasons["groups"]
        assert "not a Delivery" in reasons["deliveries"]
        assert "not a Tick" in reasons["ticks"]
        assert reasons["intake"] == "alert 1: at least one label pair required"

        # The command line shows them, and what they hold; one that is sent again is parked again.
        shown = command(tocsin, "list", "--limit", "1000")
        assert shown.returncode == 0, shown.stderr
        assert shown.stdout.count("not a GroupEvents") == 64
        known = {letter["id"] for letter in [late, *letters]}
        one = next(letter["id"] for letter in letters if letter["queue"] == "groups")
        detail = json.loads(command(tocsin, "show", one, "--json").stdout)
        assert detail["body"] == {"configuration_version": 7, "events": "none"}
        assert command(tocsin, "replay", one).returncode == 0
        again = eventually(
            lambda: [letter for letter in listed(tocsin) if letter["id"] not in known],
            "the replayed one to be parked again",
        )
        assert again[0]["reason"] == reasons["groups"]
        assert command(tocsin, "replay", one).returncode == 1
        assert tocsin.get(f"/api/v1/dead-letters/{one}").status == 404

        # What was given up for a reason that is gone comes to a page after all.
        assert tocsin.post(f"/api/v1/dead-letters/{late['id']}/replay").status == 200
        eventually(lambda: "late" in told(receiver, "healthy"), "the page of what was replayed")
