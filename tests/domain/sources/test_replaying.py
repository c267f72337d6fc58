"""Payloads read again: what is news of it, told as stories of payloads; a payload here is a line for each alert."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from domain.alerts import Alert
from domain.arrivals import Arrival
from domain.errors import RejectedError
from domain.labels import Fingerprint
from domain.sources.definitions import Source
from domain.sources.keeping import arrive
from domain.sources.reading import Payload, Reading, Reception, make_alert
from domain.sources.replaying import Reread, Step, plan, read_again
from tests.builders import HOUR, MINUTE, NOON

SOURCE = Source("generic", "lab")

type Read = Callable[[Payload, datetime], Reading]


def reader(*labels: str, refused: str = "~", note: str = "") -> Read:
    """Reads lines such as `firing host=web-1 disk=sda`, and makes labels of these names; refuses what holds a text."""

    def read(payload: Payload, received_at: datetime) -> Reading:
        text = payload.body.decode()
        if refused in text:
            raise RejectedError(f"{refused} is refused")
        return Reading([one(line, received_at) for line in text.splitlines()])

    def one(line: str, received_at: datetime) -> Alert:
        status, *words = line.split()
        found = dict(word.split("=", 1) for word in words)
        lease = timedelta(minutes=int(found.get("minutes", 24 * 60)))
        return make_alert(
            Reception("lab", received_at),
            {"alertname": "DiskFull", **{name: found[name] for name in labels if name in found}},
            {"note": note},
            is_firing=status == "firing",
            lease=lease,
        )

    return read


OLD, NEW = reader("rule"), reader("rule", "host")


class Story:
    """Payloads that came a minute apart, were read by one mapping, and are replayed by another."""

    def __init__(self, *payloads: str, read: Read = OLD, now: datetime = NOON + HOUR) -> None:
        self.now = now
        self.arrivals: list[Arrival] = []
        self.standing: dict[Fingerprint, Alert] = {}
        for number, text in enumerate(payloads):
            self.come(text, NOON + number * MINUTE, read)

    def come(self, text: str, at: datetime, read: Read) -> None:
        payload = Payload(text.encode(), {})
        made: Reading | RejectedError
        try:
            made = read(payload, at)
        except RejectedError as error:
            made = error
        else:
            self.take_in(made.alerts)
        self.arrivals.append(arrive(SOURCE, (), payload, at, made, "00"))

    def take_in(self, alerts: Sequence[Alert]) -> None:
        for one in alerts:
            if one.ends_at > max(self.now, one.received_at):
                self.standing[one.fingerprint] = one
            else:
                self.standing.pop(one.fingerprint, None)

    def reread(self, read: Read = NEW) -> list[Reread]:
        return [read_again(one, read) for one in self.arrivals]

    def plan(self, read: Read = NEW, selected: Sequence[int] | None = None) -> list[Step]:
        rereads = self.reread(read)
        chosen = range(len(rereads)) if selected is None else selected
        others = [one for number, one in enumerate(rereads) if number not in chosen]
        return plan([rereads[number] for number in chosen], others, self.standing, self.now)

    def replay(self, read: Read = NEW, selected: Sequence[int] | None = None) -> list[str]:
        """What it does, in words; what it sends is taken in."""
        steps = self.plan(read, selected)
        self.take_in([step.alert for step in steps if step.action != "left"])
        self.arrivals = [
            one.renewed(self.now) if one.verdict in ("changed", "accepted") else one.arrival
            for one in self.reread(read)
        ]
        return told(steps)


def told(steps: Sequence[Step]) -> list[str]:
    return sorted(f"{step.action} {_named(step.alert.labels)}" for step in steps)


def _named(labels: Mapping[str, str]) -> str:
    return " ".join(text for name, text in sorted(labels.items()) if name != "alertname")


class TestReadingAgain:
    @pytest.mark.parametrize(
        ("text", "before", "after", "expected"),
        [
            pytest.param("firing rule=a", OLD, OLD, "unchanged", id="the same"),
            pytest.param("firing rule=a", OLD, NEW, "unchanged", id="the same by another mapping"),
            pytest.param("firing rule=a host=x", OLD, NEW, "changed", id="another alert"),
            pytest.param("firing rule=a", reader("rule", refused="a"), NEW, "accepted", id="refused before"),
            pytest.param("firing rule=a", OLD, reader("rule", refused="a"), "rejected", id="refused now"),
            pytest.param(
                "firing rule=a",
                reader(refused="a"),
                reader(refused="firing"),
                "still_rejected",
                id="refused both times",
            ),
        ],
    )
    def test_what_it_comes_to(self, text: str, before: Read, after: Read, expected: str) -> None:
        (found,) = Story(text, read=before).reread(after)
        assert found.verdict == expected
        assert bool(found.why) == ("rejected" in expected)

    def test_what_was_cut_cannot_be_read(self) -> None:
        story = Story("firing rule=a")
        (found,) = [read_again(replace(one, is_cut=True), NEW) for one in story.arrivals]
        assert (found.verdict, found.reading) == ("unreadable", None)
        assert "too long" in found.why

    def test_what_was_masked_matters_only_where_it_identifies(self) -> None:
        story = Story("firing rule=a password=hunter2")
        assert "hunter2" not in story.arrivals[0].body
        assert story.reread(NEW)[0].verdict == "unchanged"
        (found,) = story.reread(reader("rule", "password"))
        assert found.verdict == "unreadable"
        assert "$" in found.why

    def test_what_a_mask_makes_unreadable_says_so(self) -> None:
        (found,) = Story("firing rule=a minutes=5 token=12", read=OLD).reread(reader("rule", refused="token=["))
        assert found.verdict == "unreadable"


class TestCorrections:
    def test_one_alert_becomes_two(self) -> None:
        story = Story("firing rule=a host=x", "firing rule=a host=y")
        assert story.replay() == ["fires x a", "fires y a", "resolves a"]
        assert sorted(_named(one.labels) for one in story.standing.values()) == ["x a", "y a"]

    def test_two_become_one(self) -> None:
        story = Story("firing rule=a host=x", "firing rule=a host=y", read=NEW)
        assert story.replay(OLD) == ["fires a", "resolves x a", "resolves y a"]

    def test_what_was_refused_fires(self) -> None:
        story = Story("firing rule=a", read=reader("rule", refused="rule"))
        assert story.replay() == ["fires a"]

    def test_a_resolve_that_closed_nothing_closes(self) -> None:
        story = Story("firing rule=a", "resolved rule=a host=x", read=NEW)
        assert story.replay(OLD) == ["resolves a"]
        assert not story.standing

    def test_what_describes_it_is_put_right(self) -> None:
        story = Story("firing rule=a")
        steps = story.plan(reader("rule", note="call ada"))
        assert told(steps) == ["updates a"]
        assert steps[0].alert.annotations == {"note": "call ada"}
        assert steps[0].alert.ends_at == NOON + 24 * HOUR
        assert steps[0].alert.received_at == NOON + HOUR

    def test_it_is_sent_as_received_now_and_ends_as_it_would_have(self) -> None:
        (fires, _) = Story("firing rule=a host=x").plan()
        assert fires.action == "fires"
        assert (fires.alert.starts_at, fires.alert.received_at) == (NOON, NOON + HOUR)
        assert fires.alert.ends_at == NOON + 24 * HOUR

    def test_a_second_time_nothing_is_left_to_do(self) -> None:
        for story in (
            Story("firing rule=a host=x", "firing rule=a host=y", "resolved rule=a host=x"),
            Story("firing rule=a host=x", read=reader("rule", refused="x")),
            Story("firing rule=a", "resolved rule=a host=x", "firing rule=b host=x"),
        ):
            assert story.replay() != []
            assert [words for words in story.replay() if not words.startswith("left")] == []

    def test_the_mapping_can_be_corrected_again(self) -> None:
        story = Story("firing rule=a host=x disk=sda", "firing rule=a host=x disk=sdb")
        assert story.replay(NEW) == ["fires x a", "resolves a"]
        story.now += MINUTE
        third = reader("rule", "host", "disk")
        assert story.replay(third) == ["fires sda x a", "fires sdb x a", "resolves x a"]
        assert story.replay(third) == []


class TestWhatIsOver:
    def test_a_resolve_that_came_later_wins(self) -> None:
        story = Story("firing rule=a host=x", "resolved rule=a host=x")
        assert story.replay() == []

    def test_also_where_it_is_not_to_be_replayed(self) -> None:
        story = Story("firing rule=a host=x", "firing rule=a host=y", "resolved rule=a host=x")
        story.take_in(OLD(Payload(b"firing rule=a", {}), NOON + 2 * MINUTE).alerts)
        assert "fires x a" not in story.replay(selected=[0, 1])

    def test_what_has_run_out_meanwhile_does_not_fire(self) -> None:
        story = Story("firing rule=a host=x minutes=30")
        assert not story.standing
        assert story.replay() == []

    def test_what_was_taken_in_and_has_ended_does_not_fire_again(self) -> None:
        story = Story("firing rule=a")
        story.standing.clear()
        assert story.replay(reader("rule", note="new")) == ["left a"]

    def test_a_resolve_of_which_the_copy_is_cut_counts(self) -> None:
        story = Story("firing rule=a host=x", "resolved rule=a host=x", read=NEW)
        story.arrivals[1] = replace(story.arrivals[1], is_cut=True)
        story.arrivals[0] = replace(story.arrivals[0], rejection="a bug", alerts=(), alert_count=0)
        assert story.replay() == []


class TestWhatIsNotOurs:
    def test_what_something_else_reported_since_is_left(self) -> None:
        story = Story("firing rule=a host=x")
        (name,) = story.standing
        story.standing[name] = replace(story.standing[name], received_at=NOON + 30 * MINUTE)
        assert story.replay() == ["fires x a", "left a"]

    def test_what_the_new_mapping_refuses_is_left(self) -> None:
        story = Story("firing rule=a", "firing rule=b host=x")
        assert story.replay(reader("rule", "host", refused="rule=a")) == ["fires x b", "resolves b"]
        assert [_named(one.labels) for one in story.standing.values()] == ["a", "x b"]

    def test_what_cannot_be_read_again_is_left(self) -> None:
        story = Story("firing rule=a host=x")
        story.arrivals = [replace(one, is_cut=True) for one in story.arrivals]
        assert story.replay() == []

    def test_of_a_wrong_merge_all_parts_fire_though_only_one_is_replayed(self) -> None:
        story = Story("firing rule=a host=x", "firing rule=a host=y", "firing rule=b host=z")
        assert story.replay(selected=[1]) == ["fires x a", "fires y a", "resolves a"]

    def test_what_only_others_became_is_not_touched(self) -> None:
        story = Story("firing rule=a host=x", "firing rule=b host=z")
        assert story.replay(selected=[0]) == ["fires x a", "resolves a"]

    def test_nothing_selected_does_nothing(self) -> None:
        assert Story("firing rule=a host=x").replay(selected=[]) == []
