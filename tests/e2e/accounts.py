"""Accounts: what senders were promised, what receivers heard and what is stored, held against one another."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

from domain.configuration.file import read_configuration
from domain.labels import Fingerprint, fingerprint
from domain.notifications import Delivery
from domain.routing import GroupId
from domain.times import print_instant
from tests.e2e import stored
from tests.e2e.load import Condition, Place, Sender
from tests.e2e.receiver import AlertName, Page
from tests.serving import Serving, eventually

type Content = tuple[frozenset[AlertName], frozenset[AlertName]]
"""What a page says: the alerts that fire, and those that are resolved."""


def place_of(page: Page) -> Place:
    return page.body["receiver"], page.group["service"]


def by_place(pages: Iterable[Page]) -> dict[Place, list[Page]]:
    """The pages of each group, in their order."""
    sequences: dict[Place, list[Page]] = defaultdict(list)
    for page in pages:
        sequences[place_of(page)].append(page)
    return sequences


def known(senders: Sequence[Sender]) -> list[Condition]:
    return [condition for sender in senders for condition in sender.known]


def unsettled(tocsin: Serving, pages: Iterable[Page], conditions: Iterable[Condition]) -> list[str]:
    """What is still missing until every group's last page says what its alerts say, and nothing is under way."""
    # Not since when: an alert that resolves and fires again between two flushes is no news (DD-3).
    expected: dict[Place, set[Fingerprint]] = defaultdict(set)
    for condition in conditions:
        for place in condition.places:
            expected[place] |= {condition.fingerprint} if condition.is_firing else set()
    told = {place_of(page): {name for name, _ in page.firing} for page in pages}
    found = [
        f"{place}: told {told.get(place)}, but {firing} fire"
        for place, firing in expected.items()
        if told.get(place, set()) != firing
    ]
    answer = tocsin.get("/api/v1/ledger")
    if answer.status == 503:  # as it may while it is busy
        return [*found, answer.text]
    ledger = answer.json()
    return found + [f"{ledger[count]} {count}" for count in ("waiting", "pending") if ledger[count]]


def wait_until_settled(
    tocsin: Serving, told: Callable[[], Sequence[Page]], senders: Sequence[Sender], seconds: float
) -> None:
    """Wait until nothing is missing; `told` are the pages that count."""
    conditions = known(senders)

    try:
        eventually(lambda: not unsettled(tocsin, told(), conditions), "everything to be told", seconds=seconds)
    except AssertionError as error:
        error.add_note("\n".join(unsettled(tocsin, told(), conditions)))
        raise
    last = {place_of(page): page for page in told()}
    firing = {place for condition in conditions if condition.is_firing for place in condition.places}
    for place, page in last.items():
        assert place in firing or page.status == "resolved"


def wait_until_quiet(told: Callable[[], Sequence[Page]], quiet_seconds: float, *, seconds: float) -> None:
    """Pages come to an end: for so long none does, more than a group's interval.

    One may still say again what was doubtful: whose result came too late, or died with its process.  `check_due` tells
    whether each of them was due.
    """
    count, since = len(told()), time.monotonic()

    def is_quiet() -> bool:
        nonlocal count, since
        if len(told()) != count:
            count, since = len(told()), time.monotonic()
        return time.monotonic() - since > quiet_seconds

    eventually(is_quiet, "pages to come to an end", seconds=seconds)


def check_listed(tocsin: Serving, senders: Sequence[Sender]) -> None:
    """What is listed as firing is what fires, each with its receivers."""
    listed = {
        (alert["fingerprint"], tuple(sorted(each["name"] for each in alert["receivers"])))
        for alert in tocsin.get("/api/v2/alerts").json()
    }
    expected = {
        (condition.fingerprint, tuple(sorted(receiver for receiver, _ in condition.places)))
        for condition in known(senders)
        if condition.is_firing
    }
    assert listed == expected


def check_acknowledged(kept: stored.Stored, senders: Sequence[Sender], text: str) -> None:
    """Every acknowledged report of a change was folded into each of its groups."""
    configuration = read_configuration(text, name="alertmanager.yml")
    folded: set[tuple[GroupId, Fingerprint, str, str]] = {
        (id, alert.fingerprint, print_instant(alert.starts_at), print_instant(alert.ends_at))
        for id, entries in kept.entries.items()
        for entry in entries
        if entry.reported is not None
        for alert in (*entry.reported.alerts, *entry.reported.further)
    }
    lost = [
        report
        for sender in senders
        for report in sender.acknowledged
        for address in configuration.group_addresses(report["labels"])
        if (address.group_id, fingerprint(report["labels"]), report["startsAt"], report["endsAt"]) not in folded
    ]
    assert lost == []


def check_folded(kept: stored.Stored, senders: Sequence[Sender], text: str) -> None:
    """Counted at the senders, for a queue on Azure cannot tell what it took.

    Each acknowledged change was folded into each of its groups; nothing was folded more often than it was sent.
    """
    configuration = read_configuration(text, name="alertmanager.yml")

    def pairs(labels: Iterable[dict[str, str]]) -> int:
        return sum(len(list(configuration.group_addresses(each))) for each in labels)

    changes = pairs(report["labels"] for sender in senders for report in sender.acknowledged)
    assert changes <= kept.ledger["folded"] <= pairs(labels for sender in senders for labels in sender.sent)


def check_due(sequences: Mapping[Place, Sequence[Page]], replayed: Mapping[GroupId, stored.Replayed]) -> None:
    """What came, repetitions left out, is what the pure core says was due; only what was given up may be missing."""
    due: dict[Place, list[tuple[Content, bool]]] = {}
    for group in replayed.values():
        assert group.state.head is not None
        place = group.state.head.receiver, group.state.head.labels["service"]
        due[place] = [(content_of(delivery), delivery.id in group.delivered) for delivery in group.deliveries]
    for place, pages in sequences.items():
        came = _without_repetitions([(page.firing, page.resolved) for page in pages])
        # All the numbers of pages that may have come when the deliveries up to here have been looked at.
        counts = {0}
        for place_in_order, (content, was_delivered) in enumerate(due[place]):
            more = {count + 1 for count in counts if count < len(came) and came[count] == content}
            is_repetition = place_in_order > 0 and due[place][place_in_order - 1][0] == content
            counts = more | (set() if was_delivered and not is_repetition else counts)
            assert counts, f"{place}: delivery {place_in_order} of {due[place]} is not among {came}"
        assert len(came) in counts, f"{place}: {came} is not what was due: {due[place]}"
    assert {place for place, deliveries in due.items() if any(delivered for _, delivered in deliveries)} <= set(
        sequences
    )


def again_due_in(group: stored.Replayed) -> list[Content]:
    """What the core had due twice in a row: the first result was not recorded before the next flush."""
    due = [content_of(delivery) for delivery in group.deliveries]
    return [content for content, following in pairwise(due) if content == following]


def content_of(delivery: Delivery) -> Content:
    told = delivery.notification.alerts
    named = [((one.alert.fingerprint, print_instant(one.alert.starts_at)), one.is_firing) for one in told]
    return (
        frozenset(name for name, is_firing in named if is_firing),
        frozenset(name for name, is_firing in named if not is_firing),
    )


def _without_repetitions(contents: list[Content]) -> list[Content]:
    return [content for number, content in enumerate(contents) if number == 0 or contents[number - 1] != content]
