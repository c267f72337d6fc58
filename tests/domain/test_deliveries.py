"""What the trail of a group says of its deliveries, and of what silences took away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.deliveries import DeliveryStatus, find_deliveries, labels_in, newest_first, read_delivery_id
from domain.groups import LogEntry, Reason, ReasonCode
from domain.labels import Matcher, MatchType
from domain.notifications import Settled
from domain.previewing import Hidden, Muted, hidden_by, is_within, may_concern, muted_part
from tests.builders import HOUR, MINUTE, NOON, SECOND, alert, entry, group_id, incident, reported

GROUP = group_id(1)
DB, WEB = alert(instance="db"), alert(instance="web")


def said(revision: int, *reasons: Reason, **changes: Any) -> LogEntry:
    return entry(1, revision, at=NOON + revision * SECOND, incident=f"{GROUP}-1", reasons=reasons, **changes)


def about(code: ReasonCode, *alerts: Any, **changes: Any) -> Reason:
    return Reason(code, fingerprints=tuple(one.fingerprint for one in alerts), **changes)


def told(revision: int, *integrations: int) -> LogEntry:
    return said(revision, *[Reason(ReasonCode.NOTIFY, "2 firing: first", integration=one) for one in integrations])


def settled(revision: int, of: int, integration: int = 0, *, arrived: bool = True) -> LogEntry:
    result = Settled(GROUP, f"{GROUP}-{of}-{integration}", integration, arrived, NOON + revision * SECOND, "200 OK", 2)
    return said(revision, Reason(ReasonCode.DELIVERED if arrived else ReasonCode.FAILED), settled=result)


FIRED = said(1, about(ReasonCode.FIRED, DB, WEB), reported=reported(DB, WEB))
STATUSES = [
    pytest.param([told(2, 0)], ["pending"], id="on its way"),
    pytest.param([told(2, 0), settled(3, 2)], ["delivered"], id="arrived"),
    pytest.param([told(2, 0), settled(3, 2, arrived=False)], ["failed"], id="refused"),
    pytest.param(
        [told(2, 0), said(3, Reason(ReasonCode.SUPERSEDED, f"{GROUP}-2-0", integration=0))], ["superseded"], id="late"
    ),
    pytest.param(
        [told(2, 0), said(3, Reason(ReasonCode.SUPERSEDED, f"{GROUP}-2-0", integration=0)), settled(4, 2)],
        ["delivered"],
        id="arrived after it was given up",
    ),
    pytest.param([told(2, 0, 1), settled(3, 2, 1)], ["pending", "delivered"], id="each integration by itself"),
    pytest.param([settled(3, 2)], [], id="one that was due before the trail begins"),
]


@pytest.mark.parametrize(("entries", "statuses"), STATUSES)
def test_what_became_of_a_delivery(entries: list[LogEntry], statuses: list[str]) -> None:
    assert [one.status for one in find_deliveries([FIRED, *entries])] == statuses


def test_a_delivery_tells_what_fires_and_is_not_muted() -> None:
    muted = said(2, about(ReasonCode.SILENCED, WEB), Reason(ReasonCode.NOTIFY, "1 firing: first", integration=0))
    ended = said(4, about(ReasonCode.RESOLVED, DB))
    first, second, third = find_deliveries([FIRED, muted, told(3, 0), ended, told(5, 0), settled(6, 5)])
    assert (set(first.firing), first.why) == ({DB.fingerprint}, "1 firing: first")
    assert second.firing == {DB.fingerprint, WEB.fingerprint}
    assert third.firing == {WEB.fingerprint}
    assert (third.id, third.due_at, third.settled_at) == (f"{GROUP}-5-0", NOON + 5 * SECOND, NOON + 6 * SECOND)
    assert (third.answer, third.attempts, third.status) == ("200 OK", 2, DeliveryStatus.DELIVERED)
    assert [one.revision for one in newest_first([first, second, third])] == [5, 3, 2]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param(f"{GROUP}-12-3", (GROUP, 12, 3), id="as it is written"),
        pytest.param("", None, id="nothing"),
        pytest.param("-1-2", None, id="without a group"),
        pytest.param(f"{GROUP}-1", None, id="an incident's"),
        pytest.param(f"{GROUP}-1-²", None, id="not a number"),
        pytest.param(f"{GROUP}-1-{'9' * 5000}", None, id="a number that nobody has"),
    ],
)
def test_a_delivery_id_is_read(text: str, parts: Any) -> None:
    assert read_delivery_id(text) == parts


# --- what a silence takes away --------------------------------------------------------------------------------------


def matcher(name: str, value: str, kind: MatchType = MatchType.EQUAL) -> Matcher:
    return Matcher(name, kind, value)


@pytest.mark.parametrize(
    ("matchers", "muted"),
    [
        pytest.param((matcher("alertname", "DiskFull"),), Muted.WHOLLY, id="all that it tells"),
        pytest.param((matcher("instance", "db"),), Muted.PARTLY, id="some of it"),
        pytest.param((matcher("instance", "api"),), None, id="nothing of it"),
    ],
)
def test_how_much_of_a_page_is_muted(matchers: tuple[Matcher, ...], muted: Muted | None) -> None:
    (page,) = find_deliveries([FIRED, told(2, 0)])
    assert muted_part(page, labels_in([FIRED]), matchers) is muted
    assert muted_part(replace(page, firing=frozenset()), labels_in([FIRED]), matchers) is None


@pytest.mark.parametrize(
    ("matchers", "may"),
    [
        pytest.param((matcher("alertname", "DiskFull"), matcher("instance", "db")), True, id="its labels match"),
        pytest.param((matcher("alertname", "Slow"),), False, id="one of its labels does not"),
        pytest.param((matcher("alertname", "Disk.*", MatchType.NOT_REGEX),), False, id="or must not"),
        pytest.param((matcher("instance", "db"),), True, id="it says nothing of that label"),
    ],
)
def test_which_groups_a_silence_may_concern(matchers: tuple[Matcher, ...], may: bool) -> None:
    assert may_concern(matchers, {"alertname": "DiskFull"}) is may


@pytest.mark.parametrize(
    ("opened", "resolved", "within"),
    [
        (-HOUR, None, True),
        (-HOUR, -MINUTE, False),
        (-HOUR, 0 * HOUR, True),
        (MINUTE, 2 * MINUTE, True),
        (HOUR, None, False),
    ],
)
def test_which_incidents_lasted_meanwhile(opened: Any, resolved: Any, within: bool) -> None:
    one = incident(opened_at=NOON + opened, resolved_at=None if resolved is None else NOON + resolved)
    assert is_within(one, NOON, NOON + HOUR) is within


def silenced(revision: int, *alerts: Any, by: str = "s") -> LogEntry:
    return said(revision, about(ReasonCode.SILENCED, *alerts, by=by), Reason(ReasonCode.ALL_MUTED))


@pytest.mark.parametrize(
    ("entries", "alerts", "pages"),
    [
        pytest.param([silenced(2, DB, WEB)], 2, 1, id="what nobody was told of"),
        pytest.param([silenced(2, DB, WEB), silenced(3, DB, WEB)], 2, 1, id="once, however often it is looked at"),
        pytest.param([silenced(2, DB), silenced(3, DB, WEB)], 2, 2, id="again with what is new"),
        pytest.param([told(2, 0), silenced(3, DB, WEB)], 2, 0, id="but not what was told before"),
        pytest.param(
            [silenced(2, DB), said(3, about(ReasonCode.RESOLVED, DB)), silenced(4, DB)], 1, 1, id="nor its end"
        ),
        pytest.param(
            [silenced(2, DB), said(3, about(ReasonCode.REFIRED, DB)), silenced(4, DB)], 1, 2, id="again if it refires"
        ),
        pytest.param([silenced(2, DB, by="another"), silenced(3, WEB)], 1, 1, id="another silence hides its own"),
    ],
)
def test_what_a_silence_has_hidden(entries: list[LogEntry], alerts: int, pages: int) -> None:
    hidden = hidden_by("s", [FIRED, *entries])
    assert hidden is not None
    assert (len(hidden.alerts), hidden.pages) == (alerts, pages)
    assert isinstance(hidden, Hidden)


def test_a_silence_that_hid_nothing() -> None:
    assert hidden_by("s", [FIRED, told(2, 0), silenced(3, DB, by="another")]) is None
