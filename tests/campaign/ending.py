"""Ending: what must be so once all trouble is over."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from domain.routing import GroupId
from tests.e2e import stored
from tests.e2e.accounts import (
    again_due_in,
    by_place,
    check_acknowledged,
    check_due,
    check_folded,
    check_listed,
    known,
    unsettled,
    wait_until_quiet,
    wait_until_settled,
)
from tests.e2e.load import Sender
from tests.e2e.receiver import Page
from tests.serving import Serving, eventually
from tests.standins.processes import AzureProcesses

QUIET_SECONDS = 6.0
"""More than a group's interval: whatever is due comes within it."""
REPEATS_SECONDS = 60.0
"""What nobody could know to have been told is told once more, as soon as its late result is there."""
OUTBOX_SECONDS = 120.0
"""What handlers were too slow to clear is relayed by the feed, one after the other."""


def settle_and_check(
    tocsin: Serving,
    azure: AzureProcesses,
    told: Callable[[], Sequence[Page]],
    senders: Sequence[Sender],
    seconds: float,
) -> None:
    """Everything is told within these seconds; then nothing is left anywhere, and nothing more comes."""
    try:
        wait_until_settled(tocsin, told, senders, seconds)
        eventually(lambda: not stored.outbox(azure), "the outboxes to be empty", seconds=OUTBOX_SECONDS)
    except AssertionError as error:
        # Here and not later: once the host has ended, its links and their locks are gone.
        error.add_note(_left_in_queues(azure))
        error.add_note(_story_of_unsettled(tocsin, azure, told(), senders))
        raise
    wait_until_quiet(told, QUIET_SECONDS, seconds=REPEATS_SECONDS)
    wait_until_settled(tocsin, told, senders, QUIET_SECONDS)
    check_listed(tocsin, senders)
    assert tocsin.get("/api/v1/dead-letters").json()["dead_letters"] == []
    ledger = tocsin.get("/api/v1/ledger").json()
    assert ledger["balanced"], ledger
    assert (ledger["waiting"], ledger["parked"], ledger["pending"]) == (0, 0, 0)
    assert _errors(tocsin.output) == Counter()


def _left_in_queues(azure: AzureProcesses) -> str:
    """Each message that should have been handled by now, and who is attached to its queue or session."""
    lines = []
    for queue in ("groups", "ticks", "deliveries"):
        left = [message for message in azure.order("peek", queue=queue) if message["state"] != "scheduled"]
        sessions = {message["session_id"] for message in left}
        links = [link for link in azure.order("links", queue=queue) if link.get("session") in sessions] if left else []
        lines += [f"{queue}: {message}" for message in left] + [f"{queue}: {link}" for link in links]
    return "\n".join(lines) or "nothing waits in the queues"


ENTRIES_SHOWN = 8


def _story_of_unsettled(
    tocsin: Serving, azure: AzureProcesses, pages: Sequence[Page], senders: Sequence[Sender]
) -> str:
    """Of each group whose last page is not what fires: what it last recorded, and what was heard of it."""
    kept = stored.read_azure(azure)
    missing = unsettled(tocsin, pages, known(senders))
    lines = [f"the outbox has {stored.outbox(azure)}"]
    for group_id, head in kept.heads.items():
        place = head.receiver, head.labels["service"]
        if not any(line.startswith(f"{place}: ") for line in missing):
            continue
        lines += [f"{place} is group {group_id}: {head}"]
        lines += [f"  member {member}" for member in kept.members.get(group_id, {}).values()]
        lines += [f"  log {log}" for log in kept.logs.get(group_id, {}).values()]
        lines += [f"  entry {entry}" for entry in kept.entries.get(group_id, [])[-ENTRIES_SHOWN:]]
        lines += [
            f"  page at {page.arrived_at:.3f}: {page.firing} fire, {page.resolved} resolved"
            for page in by_place(pages).get(place, [])[-ENTRIES_SHOWN:]
        ]
    return "\n".join(lines)


def check_stored(
    azure: AzureProcesses, text: str, senders: Sequence[Sender], told: Sequence[Page], ledger: Mapping[str, int]
) -> Mapping[GroupId, stored.Replayed]:
    """What was acknowledged is stored, it is what the pure core makes of it, and what came was due."""
    kept = stored.read_azure(azure)
    replayed = stored.check_replay(kept, text)
    check_acknowledged(kept, senders, text)
    check_folded(kept, senders, text)
    assert ledger["folded"] == kept.ledger["folded"]
    check_due(by_place(told), replayed)
    return replayed


def repetitions(pages: Sequence[Page], replayed: Mapping[GroupId, stored.Replayed]) -> Counter[str]:
    """How many pages came twice in a row, by why they may.

    What the core had due twice in a row is what it could not know to have been told: its result came too late.
    """
    found: Counter[str] = Counter()
    sequences = by_place(pages)
    for group in replayed.values():
        assert group.state.head is not None
        place = group.state.head.receiver, group.state.head.labels["service"]
        again_due = again_due_in(group)
        for page, again in pairwise(sequences.get(place, [])):
            content = (page.firing, page.resolved)
            if content != (again.firing, again.resolved):
                continue
            if not page.is_taken:
                found["not answered"] += 1
            elif content in again_due:
                again_due.remove(content)
                found["not recorded in time"] += 1
            else:
                found["for no reason"] += 1
    return found


def _errors(output: str) -> Counter[str]:
    """What was logged as an error; whatever fails outside must come out as UnavailableError, and come again."""
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return Counter(
        f"{line['logger']}: {line['message']}: {last}"
        for line in lines
        if line["level"] in ("error", "critical") and line["logger"].startswith("tocsin")
        for last in [(line.get("exception", "").strip().splitlines() or [""])[-1]]
        if not re.search(r"Un(available|sure)Error: ", last)
    )
