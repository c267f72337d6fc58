"""What port `FindingStore` promises, asked of every adapter."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.wiring import Ports
from domain.triage.findings import (
    Cause,
    Citation,
    Claim,
    Confidence,
    Evidence,
    EvidenceKind,
    Finding,
    NextStep,
    Reply,
    Runbook,
    Similar,
    StepKind,
    SuspectedChange,
)
from domain.triage.keeping import FINDINGS_KEPT, Asked, FindingStore, Look
from domain.triage.spending import Usage
from tests.builders import HOUR, MINUTE, NOON
from tests.contract.conftest import Clock

CLAIM = Claim("größer 😀 'x' \"y\"", (Citation("e1", "db fires"),))
FINDING = Finding(
    "i-1",
    "gpt",
    (CLAIM,),
    (Cause("db", Confidence.HIGH, (CLAIM,)),),
    (CLAIM,),
    SuspectedChange("c1", CLAIM),
    (NextStep(StepKind.INSPECT, "db"),),
    Runbook("https://wiki.example.com/db", CLAIM),
    (Similar("i-0", 0.5, CLAIM),),
    (Evidence("e1", EvidenceKind.ALERTS, "alerts", "db fires\nsince noon"),),
    struck=1,
    cut=2,
    fallback="no",
    usage=Usage(1, 2, 3, 4.5, 0.25),
)


@pytest.fixture
def findings(home: Ports) -> FindingStore:
    return home.findings


def look(number: int = 1, incident: str = "i-1", hours: float = 0) -> Look:
    return Look(incident, number, NOON + hours * HOUR, FINDING, "it is critical")


def asked(id: str = "a", minutes: float = 0, incident: str = "i-1") -> Asked:
    reply = Reply(incident, "gpt", (CLAIM,), FINDING.evidence, 1, "", Usage(calls=1))
    return Asked(incident, id, NOON + minutes * MINUTE, "ann", f"why {id}?", reply)


async def test_a_look_is_there_as_it_was(findings: FindingStore) -> None:
    assert await findings.keep_look(look()) == look()
    assert await findings.get_look("i-1", 1) == look()
    assert await findings.get_look("i-1") == look()


async def test_a_large_one_is_kept_too(findings: FindingStore) -> None:
    evidence = tuple(Evidence(f"e{n}", EvidenceKind.LOGS, "logs", f"{n} ü" * 1000) for n in range(100))
    large = replace(look(), finding=replace(FINDING, evidence=evidence))
    await findings.keep_look(large)
    assert await findings.get_look("i-1") == large


async def test_the_first_of_a_number_stays(findings: FindingStore) -> None:
    await findings.keep_look(look())
    other = replace(look(), reason="another")
    assert await findings.keep_look(other) == look()
    assert await findings.get_look("i-1", 1) == look()


async def test_of_two_at_once_one_stays(findings: FindingStore) -> None:
    others = [replace(look(), reason=str(number)) for number in range(8)]
    kept = await asyncio.gather(*(findings.keep_look(one) for one in others))
    assert len({one.reason for one in kept}) == 1
    assert await findings.get_look("i-1") == kept[0]


async def test_the_latest_is_the_one_of_the_highest_number(findings: FindingStore) -> None:
    for number in (2, 11, 3):
        await findings.keep_look(look(number))
    await findings.keep_look(look(20, "i-2"))
    assert await findings.get_look("i-1") == look(11)
    assert await findings.get_look("i-1", 3) == look(3)


async def test_of_what_nobody_looked_at_there_is_none(findings: FindingStore) -> None:
    await findings.keep_asked(asked())
    assert await findings.get_look("i-1") is None
    assert await findings.get_look("i-1", 4) is None
    assert list(await findings.list_asked("odd / id # ?")) == []


async def test_what_was_asked_is_listed_in_order_the_latest_ones(findings: FindingStore) -> None:
    for id, minutes in (("b", 2), ("a", 1), ("c", 3)):
        await findings.keep_asked(asked(id, minutes))
    await findings.keep_asked(asked("d", incident="i-2"))
    await findings.keep_asked(replace(asked("a", 9), words="again"))
    assert await findings.list_asked("i-1") == [asked("a", 1), asked("b", 2), asked("c", 3)]
    assert await findings.list_asked("i-1", limit=2) == [asked("b", 2), asked("c", 3)]


async def test_old_ones_are_forgotten(findings: FindingStore, clock: Clock) -> None:
    await findings.keep_look(look())
    await findings.keep_asked(asked())
    # Where the store forgets by itself, it goes by its own clock.
    clock.advance(FINDINGS_KEPT - timedelta(seconds=1))
    await findings.forget_findings(clock() - FINDINGS_KEPT)
    assert await findings.get_look("i-1") == look()
    clock.advance(timedelta(seconds=2))
    await findings.forget_findings(clock() - FINDINGS_KEPT)
    assert await findings.get_look("i-1") is None
    assert list(await findings.list_asked("i-1")) == []
