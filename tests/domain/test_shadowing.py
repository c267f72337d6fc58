"""Which of Tocsin's notifications correspond to which of Alertmanager's, and why they differ."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.configuration import Configuration
from domain.groups import LogEntry, Reason, ReasonCode
from domain.labels import Fingerprint, fingerprint
from domain.notifications import NotificationReason, pack
from domain.shadowing import (
    LONGEST_REACH,
    Heard,
    ShadowRecord,
    counterpart,
    feed_lease,
    groups_of,
    reach,
    repeat_window,
    window,
)
from domain.shadowing.pairing import Comparison, Pair, PairVerdict, compare
from domain.shadowing.reasons import Cause, Context, why
from domain.shadowing.trail import Trail, called
from tests.builders import HOUR, MINUTE, NOON, SECOND, alert, entry, reported
from tests.domain.configuring import read

CONFIGURATION = read("""\
    route:
      receiver: team
      group_by: [alertname]
      group_wait: 30s
      group_interval: 5m
      repeat_interval: 4h
      routes:
      - {receiver: quiet, matchers: [kind="quiet"]}
    receivers:
    - name: team
      webhook_configs: [{url: "http://x/"}]
    - name: quiet
    """)
KEY = '{}:{alertname="DiskFull"}'
DB1, DB2 = ({"alertname": "DiskFull", "instance": name} for name in ("db-1", "db-2"))
ONE, TWO = fingerprint(DB1), fingerprint(DB2)
HEARD = Heard(frozenset({"team"}), NOON - HOUR)
LATER = NOON + 12 * HOUR

_numbers = iter(range(1_000_000))


def record(at: datetime, *firing: Fingerprint, resolved: Sequence[Fingerprint] = (), **changes: Any) -> ShadowRecord:
    known: dict[str, Any] = {
        "id": f"{next(_numbers)}",
        "side": "tocsin",
        "at": at,
        "receiver": "team",
        "group_key": KEY,
        "group_labels": {"alertname": "DiskFull"},
        "status": "firing" if firing else "resolved",
        "firing": pack(firing),
        "resolved": pack(resolved),
        "labels": {ONE: DB1, TWO: DB2},
    }
    return ShadowRecord(**(known | changes))


def theirs(at: datetime, *firing: Fingerprint, **changes: Any) -> ShadowRecord:
    return record(at, *firing, side="alertmanager", **changes)


def compared(
    ours: Sequence[ShadowRecord],
    others: Sequence[ShadowRecord],
    *,
    now: datetime = LATER,
    heard: Heard = HEARD,
    configuration: Configuration = CONFIGURATION,
    within: timedelta | None = None,
) -> Comparison:
    return compare(ours, others, configuration, now, heard, within=within)


def verdicts(*arguments: Any, **changes: Any) -> list[str]:
    return [str(pair.verdict) for pair in compared(*arguments, **changes).pairs]


FIRST, ALL_RESOLVED, REPEAT = (
    str(reason) for reason in (NotificationReason.FIRST, NotificationReason.ALL_RESOLVED, NotificationReason.REPEAT)
)
TICK = 5 * MINUTE


class TestPairing:
    @pytest.mark.parametrize(
        ("ours", "others", "said"),
        [
            pytest.param([], [], [], id="nothing"),
            pytest.param([record(NOON, ONE)], [theirs(NOON, ONE)], ["same"], id="the same"),
            pytest.param([record(NOON, ONE, TWO)], [theirs(NOON, TWO, ONE)], ["same"], id="the same in any order"),
            pytest.param(
                [record(NOON + TICK, ONE)], [theirs(NOON, ONE)], ["same"], id="a tick later, as a repeat may come"
            ),
            pytest.param(
                [record(NOON, ONE)], [theirs(NOON + TICK + 30 * SECOND, ONE)], ["same"], id="just within the window"
            ),
            pytest.param(
                [record(NOON, ONE)],
                [theirs(NOON + TICK + 31 * SECOND, ONE)],
                ["only_tocsin", "only_alertmanager"],
                id="beyond it",
            ),
            pytest.param([record(NOON, ONE)], [theirs(NOON, ONE, TWO)], ["differs"], id="one alert more there"),
            pytest.param(
                [record(NOON, resolved=[ONE])], [theirs(NOON, ONE)], ["differs"], id="over here, firing there"
            ),
            pytest.param(
                [record(NOON, ONE)], [theirs(NOON, ONE, resolved=[TWO])], ["differs"], id="a resolve more there"
            ),
            pytest.param(
                [record(NOON, ONE)], [theirs(NOON, TWO)], ["only_tocsin", "only_alertmanager"], id="nothing shared"
            ),
            pytest.param(
                [record(NOON, ONE)],
                [theirs(NOON, ONE, receiver="other")],
                ["only_alertmanager", "only_tocsin"],
                id="another receiver",
            ),
            pytest.param(
                [record(NOON, ONE, TWO)],
                [theirs(NOON, ONE, truncated=1)],
                ["same"],
                id="as far as max_alerts lets one see",
            ),
            pytest.param(
                [record(NOON, ONE)], [theirs(NOON, ONE, truncated=3)], ["differs"], id="but another number of them"
            ),
            pytest.param(
                [record(NOON, ONE)],
                [theirs(NOON, ONE), theirs(NOON + SECOND, ONE)],
                ["same"],
                id="two webhooks of one receiver are one",
            ),
            pytest.param(
                [record(NOON, ONE), record(NOON, ONE, counts=False)],
                [theirs(NOON, ONE)],
                ["same"],
                id="only one integration has a counterpart",
            ),
        ],
    )
    def test_pairs(self, ours: list[ShadowRecord], others: list[ShadowRecord], said: list[str]) -> None:
        assert verdicts(ours, others) == said

    def test_the_nearest_partner_is_taken(self) -> None:
        ours = [record(NOON + n * MINUTE, *([ONE] if n % 2 == 0 else []), resolved=[ONE] * (n % 2)) for n in range(6)]
        others = [
            theirs(one.at + SECOND, *([ONE] if one.firing else []), resolved=[ONE] if one.resolved else [])
            for one in ours[2:]
        ]
        said = compared(ours, others)
        assert [str(pair.verdict) for pair in said.pairs] == ["only_tocsin"] * 2 + ["same"] * 4
        assert {pair.offset for pair in said.pairs[2:]} == {-SECOND}

    def test_partners_never_cross(self) -> None:
        ours = [record(NOON, ONE), record(NOON + MINUTE, ONE, TWO)]
        others = [theirs(NOON, ONE, TWO), theirs(NOON + MINUTE, ONE)]
        pairs = compared(ours, others).pairs
        assert [(pair.ours is not None, pair.theirs is not None) for pair in pairs].count((True, True)) == 1

    def test_repeats_are_paired_though_they_have_drifted_apart(self) -> None:
        ours = [record(NOON + n * 4 * HOUR, ONE, reason=REPEAT if n else FIRST) for n in range(4)]
        others = [
            theirs(NOON + SECOND, ONE),
            *(theirs(NOON + n * (4 * HOUR + 3 * TICK), ONE) for n in range(1, 4)),
        ]
        assert verdicts(ours, others, now=NOON + 24 * HOUR) == ["same"] * 4

    def test_the_window_may_be_given(self) -> None:
        assert verdicts([record(NOON, ONE)], [theirs(NOON + 6 * SECOND, ONE)], within=5 * SECOND) == [
            "only_tocsin",
            "only_alertmanager",
        ]

    def test_what_only_one_side_says_is_named(self) -> None:
        (pair,) = compared([record(NOON, ONE)], [theirs(NOON, TWO, resolved=[ONE])]).pairs
        found = pair.difference
        assert (found.firing_here, found.firing_there) == (frozenset({ONE}), frozenset({TWO}))
        assert not found.resolved_here
        assert found.resolved_there == frozenset({ONE})

    @pytest.mark.parametrize(
        ("age", "ours", "others", "said"),
        [
            pytest.param(5 * MINUTE, [record(NOON, ONE)], [], "waiting", id="ours, young"),
            pytest.param(6 * MINUTE, [record(NOON, ONE)], [], "only_tocsin", id="ours, old"),
            pytest.param(5 * MINUTE, [], [theirs(NOON, ONE)], "waiting", id="theirs, young"),
            pytest.param(6 * MINUTE, [], [theirs(NOON, ONE)], "only_alertmanager", id="theirs, old"),
            pytest.param(HOUR, [record(NOON, ONE, reason=REPEAT)], [], "waiting", id="a repeat waits for longer"),
        ],
    )
    def test_a_partner_may_come_later(
        self, age: timedelta, ours: list[ShadowRecord], others: list[ShadowRecord], said: str
    ) -> None:
        assert verdicts(ours, others, now=NOON + age) == [said]

    @pytest.mark.parametrize(
        ("heard", "said"),
        [
            pytest.param(Heard(), "uncompared", id="nothing has come"),
            pytest.param(Heard(frozenset({"other"}), NOON - HOUR), "uncompared", id="nothing of this receiver"),
            pytest.param(Heard(frozenset({"team"}), NOON + HOUR), "uncompared", id="nothing before"),
            pytest.param(HEARD, "only_tocsin", id="it is listened to"),
        ],
    )
    def test_without_alertmanager_nothing_is_compared(self, heard: Heard, said: str) -> None:
        assert verdicts([record(NOON, ONE)], [], heard=heard) == [said]

    def test_all_of_a_time_are_counted(self) -> None:
        said = compared([record(NOON, ONE), record(NOON + HOUR, TWO)], [theirs(NOON, ONE)])
        assert said.counts(NOON, NOON + 2 * HOUR)[PairVerdict.SAME] == 1
        assert said.counts(NOON, NOON + 2 * HOUR)[PairVerdict.ONLY_TOCSIN] == 1
        assert sum(said.counts(NOON + MINUTE, NOON + HOUR).values()) == 0


class TestTimers:
    def test_the_windows_are_the_routes(self) -> None:
        root = CONFIGURATION.root
        assert (window(root), repeat_window(root)) == (5 * MINUTE + 30 * SECOND, 2 * HOUR)
        assert reach(CONFIGURATION) == 2 * HOUR
        rare = read(
            "route: {receiver: a, group_wait: 10m, group_interval: 1s, repeat_interval: 7d}\nreceivers: [{name: a}]"
        )
        assert (window(rare.root), repeat_window(rare.root)) == (10 * MINUTE + 30 * SECOND, LONGEST_REACH)

    def test_an_alert_of_webhooks_alone_lasts_two_repeats_and_a_tick(self) -> None:
        assert feed_lease(CONFIGURATION, DB1) == 8 * HOUR + TICK

    def test_a_notification_leads_to_its_groups(self) -> None:
        (address,) = CONFIGURATION.group_addresses(DB1)
        assert groups_of(CONFIGURATION, theirs(NOON, ONE)) == [address.group_id]
        assert groups_of(CONFIGURATION, record(NOON, ONE, group_id=address.group_id)) == [address.group_id]
        assert not groups_of(CONFIGURATION, theirs(NOON, ONE, group_key="{}/{x}:{}"))


@pytest.mark.parametrize(
    ("integrations", "place"),
    [
        pytest.param("", 0, id="none"),
        pytest.param("webhook_configs: [{url: http://a}, {url: http://b}]", 0, id="the first of equals"),
        pytest.param(
            "webhook_configs: [{url: http://a}, {url: http://t/api/v1/shadow/alertmanager}]", 1, id="the very one"
        ),
        pytest.param(
            "webhook_configs: [{url: http://a, send_resolved: false}, {url: http://b}]", 1, id="one that hears resolves"
        ),
    ],
)
def test_one_integration_stands_for_its_receiver(integrations: str, place: int) -> None:
    configuration = read(f"route: {{receiver: a}}\nreceivers:\n- name: a\n  {integrations}\n")
    assert counterpart(configuration.receiver("a")) == place


# --- why ------------------------------------------------------------------------------------------------------------


def said(at: datetime, code: ReasonCode, *names: Fingerprint, **changes: Any) -> LogEntry:
    text, by = changes.pop("text", ""), changes.pop("by", "")
    return entry(at=at, reasons=(Reason(code, text, None, names, by),), **changes)


def came(at: datetime, *, status: Any = "firing", code: ReasonCode = ReasonCode.FIRED) -> LogEntry:
    one = alert(status, at=at, instance="db-1")
    return entry(at=at, reported=reported(one), reasons=(Reason(code, "", None, (ONE,)),))


def reasons(
    ours: Sequence[ShadowRecord],
    others: Sequence[ShadowRecord],
    *trail: LogEntry,
    heard: Heard = HEARD,
    configuration: Configuration = CONFIGURATION,
    now: datetime = LATER,
    is_strict: bool = False,
) -> list[tuple[Cause, str]]:
    """Why the last pair is no pair."""
    comparison = compared(ours, others, heard=heard, configuration=configuration, now=now)
    pair: Pair = comparison.pairs[-1]
    found = why(pair, Context(configuration, comparison, Trail(trail), heard.since, now, is_strict))
    return [(reason.cause, reason.words) for reason in found]


NAME = "DiskFull (instance=db-1)"
UNKNOWN_SILENCE = (
    f"{NAME}: unexplained here: Tocsin knows of no silence, inhibition or interval that mutes it;"
    " Alertmanager may have a silence that Tocsin does not, or was not sent the alert"
)


class TestOnlyAlertmanager:
    @pytest.mark.parametrize(
        ("trail", "cause", "words"),
        [
            pytest.param([], Cause.INPUT, "has not come here: Alertmanager was sent what Tocsin was not", id="unheard"),
            pytest.param([came(NOON + MINUTE)], Cause.INPUT, "came here only 60.0 s later", id="it came later"),
            pytest.param(
                [
                    came(NOON - MINUTE),
                    said(NOON, ReasonCode.SILENCED, ONE, text="ada: disk", by="silence-1"),
                ],
                Cause.MUTED,
                "silenced here by silence-1 (ada: disk)",
                id="silenced",
            ),
            pytest.param(
                [came(NOON - MINUTE), said(NOON + MINUTE, ReasonCode.INHIBITED, ONE, text="{a} → {b}", by="f00")],
                Cause.MUTED,
                "inhibited here by f00 (rule {a} → {b})",
                id="inhibited",
            ),
            pytest.param(
                [
                    came(NOON - MINUTE),
                    said(NOON, ReasonCode.OUT_OF_HOURS, ONE, text="inside a mute interval", by="nights"),
                ],
                Cause.MUTED,
                "muted here by nights: inside a mute interval",
                id="out of hours",
            ),
            pytest.param(
                [
                    came(NOON - MINUTE),
                    said(NOON - 3 * MINUTE, ReasonCode.SILENCED, ONE, by="silence-1"),
                    said(NOON - SECOND, ReasonCode.NO_NEWS),
                ],
                Cause.UNEXPLAINED,
                "unexplained: it was known here, and nothing muted it",
                id="silenced no longer",
            ),
            pytest.param(
                [came(NOON - HOUR), came(NOON - MINUTE, status="resolved", code=ReasonCode.RESOLVED)],
                Cause.INPUT,
                "had resolved here 60.0 s earlier",
                id="over here",
            ),
            pytest.param(
                [came(NOON - 2 * HOUR), said(NOON - HOUR - MINUTE, ReasonCode.LEASE_ENDED, ONE)],
                Cause.INPUT,
                "counts as resolved here since 10:59:00: no re-send came",
                id="its lease ended",
            ),
            pytest.param(
                [came(NOON - HOUR), said(NOON - MINUTE, ReasonCode.MOVED, ONE)],
                Cause.CONFIGURATION,
                "belongs to another group here since 11:59:00",
                id="moved",
            ),
            pytest.param(
                [came(NOON - SECOND), said(NOON + MINUTE, ReasonCode.NEVER_TOLD)],
                Cause.NOISE,
                "resolved here before its group was due, so nobody would have heard that it fired",
                id="over before its time",
            ),
            pytest.param(
                [
                    came(NOON - SECOND),
                    said(NOON - SECOND, ReasonCode.OPENED, next_due_at=NOON + 29 * SECOND),
                ],
                Cause.NOISE,
                "its group here waits until 12:00:29",
                id="waiting for group_wait",
            ),
        ],
    )
    def test_says_what_the_trail_knows(self, trail: list[LogEntry], cause: Cause, words: str) -> None:
        assert reasons([], [theirs(NOON, ONE)], *trail) == [(cause, f"{NAME}: {words}")]

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"receiver": "stranger"}, "Tocsin's configuration has no receiver stranger"),
            ({"receiver": "quiet"}, "receiver quiet has no integrations in Tocsin's configuration"),
            (
                {"group_key": '{}/{team="x"}:{}'},
                "no route of Tocsin's configuration to receiver team has a group"
                ' {}/{team="x"}:{}: the two configurations differ',
            ),
        ],
    )
    def test_says_where_the_configurations_differ(self, changes: Any, words: str) -> None:
        assert reasons([], [theirs(NOON, ONE, **changes)]) == [(Cause.CONFIGURATION, words)]

    def test_says_where_tocsin_routes_it(self) -> None:
        labels = {**DB1, "kind": "quiet"}
        name = fingerprint(labels)
        (found,) = reasons([], [theirs(NOON, name, labels={name: labels})])
        assert found == (
            Cause.CONFIGURATION,
            "DiskFull (instance=db-1 kind=quiet): Tocsin's configuration routes it elsewhere:"
            ' receiver quiet, group {}/{kind="quiet"}:{alertname="DiskFull"}',
        )

    def test_says_what_was_told_already(self) -> None:
        ours, others = [record(NOON - HOUR, ONE)], [theirs(NOON - HOUR, ONE), theirs(NOON, ONE, TWO)]
        found = dict(reasons(ours, others, came(NOON - HOUR)))
        assert "DiskFull (instance=db-2): has not come here" in found[Cause.INPUT]
        ours, others = [record(NOON - HOUR, ONE)], [theirs(NOON, ONE)]
        ((cause, words),) = reasons(ours, others, came(NOON - HOUR))
        assert (cause, words) == (
            Cause.TOLD,
            f"{NAME}: would have been told 3600.0 s earlier already, so it is no news here",
        )

    def test_names_few_and_counts_the_rest(self) -> None:
        many = [{"alertname": "DiskFull", "instance": f"db-{number}"} for number in range(5)]
        labels = {fingerprint(one): one for one in many}
        ((_, words),) = reasons([], [theirs(NOON, *labels, labels=labels)])
        assert words.startswith("DiskFull (instance=db-0), DiskFull (instance=db-1), DiskFull (instance=db-2) and 2 m")


class TestOnlyTocsin:
    def test_says_that_nothing_mutes_it_here(self) -> None:
        assert reasons([record(NOON, ONE)], [], came(NOON - MINUTE)) == [(Cause.UNEXPLAINED, UNKNOWN_SILENCE)]

    def test_says_what_is_mended(self) -> None:
        ours = [record(NOON - HOUR, ONE), record(NOON, ONE, reason=FIRST)]
        trail = [came(NOON - HOUR), said(NOON - 30 * MINUTE, ReasonCode.FORGOTTEN, ONE)]
        (found,) = reasons(ours, [theirs(NOON - HOUR, ONE)], *trail)
        assert found == (
            Cause.MENDED,
            f"{NAME}: was muted when it resolved or fired on, at 11:30:00: Tocsin tells of it anew,"
            " where Alertmanager keeps quiet until repeat_interval",
        )

    def test_says_what_is_a_farewell(self) -> None:
        ours = [record(NOON - HOUR, ONE), record(NOON, resolved=[ONE], reason=ALL_RESOLVED)]
        trail = [came(NOON - HOUR), said(NOON, ReasonCode.FAREWELL)]
        ((cause, words),) = reasons(ours, [theirs(NOON - HOUR, ONE)], *trail)
        assert cause is Cause.MENDED
        assert "did away with its group" in words

    def test_says_that_a_lease_ended(self) -> None:
        ours = [record(NOON - HOUR, ONE), record(NOON, resolved=[ONE], reason=ALL_RESOLVED)]
        trail = [came(NOON - HOUR), said(NOON, ReasonCode.LEASE_ENDED, ONE)]
        (found,) = reasons(ours, [theirs(NOON - HOUR, ONE)], *trail)
        assert found == (Cause.INPUT, f"{NAME}: counts as resolved here since 12:00:00: no re-send came")

    def test_says_what_is_older_than_the_comparison(self) -> None:
        ours = [record(NOON, ONE, reason=FIRST, since=NOON - 3 * HOUR)]
        (found,) = reasons(ours, [], came(NOON - MINUTE))
        assert found == (Cause.START, f"{NAME}: is older than the comparison: Alertmanager had told of it before")

    def test_says_that_a_batch_was_split(self) -> None:
        ours = [record(NOON, ONE), record(NOON + MINUTE, ONE, TWO)]
        others = [theirs(NOON + MINUTE, ONE, TWO)]
        comparison = compared(ours, others)
        assert [str(pair.verdict) for pair in comparison.pairs] == ["only_tocsin", "same"]
        context = Context(CONFIGURATION, comparison, Trail([came(NOON - MINUTE)]), HEARD.since, LATER)
        (found,) = why(comparison.pairs[0], context)
        assert (found.cause, found.words) == (
            Cause.NOISE,
            f"{NAME}: Alertmanager told of it 60.0 s later, in another notification",
        )

    def test_a_second_page_is_no_split_batch(self) -> None:
        ours = [record(NOON, ONE, reason=FIRST), record(NOON + MINUTE, ONE, reason=FIRST)]
        ((cause, words),) = reasons(ours, [theirs(NOON, ONE)], came(NOON - MINUTE))
        assert cause is Cause.UNEXPLAINED
        assert words == f"{UNKNOWN_SILENCE} (it last told of it 60.0 s earlier)"

    def test_a_repeat_at_another_time_is_noise_while_there_are_repeats(self) -> None:
        ours = [record(NOON, ONE), record(NOON + 4 * HOUR, ONE, reason=REPEAT)]
        others = [theirs(NOON, ONE)]
        ((cause, words),) = reasons(ours, others, came(NOON), now=NOON + 24 * HOUR)
        assert cause is Cause.UNEXPLAINED
        assert words == f"{NAME}: unexplained: Alertmanager told of it at 12:00:00, and not again"

    @pytest.mark.parametrize(
        ("heard", "words"),
        [
            (Heard(), "nothing has come from Alertmanager yet: are its webhooks pointed here?"),
            (
                Heard(frozenset({"other"}), NOON - HOUR),
                "nothing has come from Alertmanager for receiver team yet: does that have a webhook pointed here?",
            ),
            (
                Heard(frozenset({"team"}), NOON + HOUR),
                "before the first webhook of Alertmanager came, at 13:00:00",
            ),
        ],
    )
    def test_says_why_nothing_is_compared(self, heard: Heard, words: str) -> None:
        assert reasons([record(NOON, ONE)], [], heard=heard) == [(Cause.START, words)]


class TestBoth:
    def test_each_difference_has_its_reason(self) -> None:
        trail = [came(NOON - MINUTE)]
        found = reasons([record(NOON, ONE)], [theirs(NOON, TWO, resolved=[ONE])], *trail)
        assert found == [
            (Cause.INPUT, "DiskFull (instance=db-2): has not come here: Alertmanager was sent what Tocsin was not"),
            (Cause.UNEXPLAINED, UNKNOWN_SILENCE),
        ]

    def test_a_resolve_that_has_not_come_is_one(self) -> None:
        found = reasons([record(NOON, TWO)], [theirs(NOON, TWO, resolved=[ONE])], came(NOON - MINUTE))
        assert found == [
            (Cause.INPUT, f"{NAME}: still fires here: no resolve had come by then (last heard of 60.0 s earlier)")
        ]

    @pytest.mark.parametrize(
        ("ours", "others", "said"),
        [
            pytest.param([record(NOON + SECOND, ONE)], [theirs(NOON, ONE)], [], id="a moment later"),
            pytest.param(
                [record(NOON + 30 * SECOND, ONE, reason=FIRST, since=NOON - HOUR)],
                [theirs(NOON, ONE)],
                [Cause.MENDED],
                id="an old alert waits",
            ),
            pytest.param(
                [record(NOON + 5 * MINUTE, ONE, reason=REPEAT)], [theirs(NOON, ONE)], [Cause.NOISE], id="a repeat"
            ),
            pytest.param(
                [record(NOON - MINUTE, resolved=[ONE]), record(NOON + 20 * SECOND, ONE, reason=FIRST, since=NOON)],
                [theirs(NOON - MINUTE, resolved=[ONE]), theirs(NOON, ONE)],
                [Cause.NOISE],
                id="the old grid of an emptied group",
            ),
        ],
    )
    def test_what_is_the_same_may_come_at_another_time(
        self, ours: list[ShadowRecord], others: list[ShadowRecord], said: list[Cause]
    ) -> None:
        assert [cause for cause, _ in reasons(ours, others)] == said

    def test_under_strict_nothing_waits_that_alertmanager_tells_at_once(self) -> None:
        ours = [record(NOON + 30 * SECOND, ONE, reason=FIRST, since=NOON - HOUR)]
        assert reasons(ours, [theirs(NOON, ONE)], is_strict=True) == []

    @pytest.mark.parametrize("is_strict", [False, True])
    def test_what_came_here_later_was_told_later(self, is_strict: bool) -> None:
        ours = [record(NOON + 20 * SECOND, ONE, reason=FIRST, since=NOON - HOUR)]
        found = reasons(ours, [theirs(NOON, ONE)], came(NOON + 19 * SECOND), is_strict=is_strict)
        assert found == [(Cause.INPUT, "it came here only at 12:00:19, 19.0 s later")]


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        pytest.param(None, "alert x", id="unknown"),
        pytest.param({"alertname": "A"}, "A", id="nothing but its name"),
        pytest.param({"alertname": "A", "job": "j", "zone": "z"}, "A (zone=z)", id="without what all share"),
        pytest.param({"alertname": "A", "job": "j"}, "A (job=j)", id="unless there is nothing else"),
        pytest.param({"alertname": "A\x1b[31m"}, "A�[31m", id="what does not print"),
    ],
)
def test_an_alert_is_called(labels: dict[str, str] | None, name: str) -> None:
    assert called("x", labels, {"job": "j"}) == name
