"""The audit log's chain: what was removed or changed shows, wherever it was."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from domain.audit import AuditEntry, AuditRecord, Fault, Head, chain, verify
from tests.builders import NOON, SECOND


def record(number: int, **changes: str) -> AuditRecord:
    words = dict.fromkeys(("actor", "actor_name", "action", "target", "target_id", "address", "request_id"), "x")
    return AuditRecord(at=NOON + number * SECOND, outcome="200", **(words | changes))  # type: ignore[arg-type]


CHAIN = chain(Head(), [record(number) for number in range(1, 6)])


def forged(number: int, **changes: str) -> list[AuditEntry]:
    """The chain with one entry changed, its hash as it was."""
    entries = list(CHAIN)
    entries[number - 1] = replace(entries[number - 1], record=replace(entries[number - 1].record, **changes))  # type: ignore[arg-type]
    return entries


def rehashed(number: int) -> list[AuditEntry]:
    """The chain with one entry changed, and its hash too."""
    entry = CHAIN[number - 1]
    (false,) = chain(Head(number - 1, entry.previous), [record(number, actor="y")])
    return [*CHAIN[: number - 1], false, *CHAIN[number:]]


def test_a_whole_chain_has_a_head() -> None:
    assert verify(CHAIN) == Head(5, CHAIN[-1].hash)
    assert verify([]) == Head()


def test_it_can_be_verified_in_parts() -> None:
    middle = verify(CHAIN[:2])
    assert isinstance(middle, Head)
    assert verify(CHAIN[2:], middle) == verify(CHAIN)


FIELDS = ("actor", "actor_name", "action", "target", "target_id", "address", "request_id", "outcome")


@pytest.mark.parametrize(
    ("entries", "number"),
    [
        *(pytest.param(forged(3, **{field: "y"}), 3, id=f"another {field}") for field in FIELDS),
        pytest.param(
            [*CHAIN[:2], replace(CHAIN[2], record=replace(CHAIN[2].record, count=2)), *CHAIN[3:]], 3, id="count"
        ),
        pytest.param(
            [*CHAIN[:2], replace(CHAIN[2], record=replace(CHAIN[2].record, at=NOON)), *CHAIN[3:]], 3, id="another time"
        ),
        pytest.param(rehashed(3), 4, id="changed and hashed anew: the next one does not fit"),
        pytest.param([*CHAIN[:2], *CHAIN[3:]], 3, id="one removed"),
        pytest.param(CHAIN[1:], 1, id="the first removed"),
        pytest.param([CHAIN[0], CHAIN[2], CHAIN[1], *CHAIN[3:]], 2, id="two exchanged"),
        pytest.param([CHAIN[0], *CHAIN], 2, id="one twice"),
        pytest.param(
            [*CHAIN[:2], *[replace(entry, number=entry.number - 1) for entry in CHAIN[3:]]], 3, id="numbered anew"
        ),
    ],
)
def test_the_first_fault_is_named(entries: list[AuditEntry], number: int) -> None:
    found = verify(entries)
    assert isinstance(found, Fault)
    assert found.number == number


def test_words_do_not_run_into_each_other() -> None:
    one, other = (chain(Head(), [record(1, actor=a, actor_name=b)])[0] for a, b in (("ab", "c"), ("a", "bc")))
    assert one.hash != other.hash


def test_the_hash_is_as_it_is_documented() -> None:
    """Whoever verifies an export with a program of their own relies on this very form."""
    (entry,) = chain(Head(), [record(0, actor_name="ü")])
    text = r'[1,1,"2026-11-22T12:00:00.000000+00:00","x","\u00fc","x","x","x","x","x","200",1,"' + "0" * 64 + '"]'
    assert entry.hash == hashlib.sha256(text.encode()).hexdigest()
