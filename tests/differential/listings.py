"""Listings: what both systems show of a scenario's alerts, groups and silences at quiet moments, and what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from domain.labels import fingerprint
from tests.differential.intended import MUTED_BY, STAMPED, Allowance
from tests.differential.recording import Listing, Shown, moment, unscoped
from tests.differential.scenario import SCOPE_LABEL, WARM_UP, Job, Scenario, all_hold

IN_TIME = 0.12
"""An answer that took longer may tell of the second that begins 150 ms after the question; it is not compared."""

STAMP_SLACK = 0.5


# --- one side -------------------------------------------------------------------------------------------------------


def moments(scenario: Scenario) -> tuple[float, float]:
    """When to ask: between ticks, at half seconds, and what people and sources do, at whole ones.

    Scenarios that run side by side ask in different seconds, for the answers cost the servers more than all pages do.
    """
    second = scenario.seed % 6
    return 3.85 + second, 9.85 + second


def questions(job: Job) -> dict[str, dict[str, str]]:
    """By the path below /api/v2/, the query for what belongs to this job alone."""
    own = {"filter": f'{SCOPE_LABEL}="{job.scope}"' if job.scope else f'{SCOPE_LABEL}!="{WARM_UP}"'}
    # Silences are chosen by what they say, not by what it means (SI-8).
    return {"alerts": own, "alerts/groups": own, "silences": own if job.scope else {}}


def normalise(job: Job, at: float, answers: dict[str, Any], began_at: float) -> Listing:
    """The answers to the questions without the scope, their instants as seconds after `began_at` (a UNIX time)."""
    groups = [_group(job, group, began_at) for group in answers["alerts/groups"]]
    silences = [_silence(silence, began_at) for silence in answers["silences"]]
    return Listing(
        at,
        alerts=tuple(_alert(job, alert, began_at) for alert in answers["alerts"]),
        groups=tuple(sorted(groups, key=lambda one: (sorted(one["labels"].items()), one["receiver"], _names(one)))),
        silences=tuple(sorted(silences, key=lambda one: (one["comment"], one["state"], _seconds(one["startsAt"])))),
    )


def _alert(job: Job, alert: Shown, began_at: float) -> Shown:
    status = alert["status"]
    return {
        "labels": unscoped(job, alert["labels"]),
        "annotations": alert["annotations"],
        "startsAt": moment(alert["startsAt"], began_at),
        "endsAt": moment(alert["endsAt"], began_at),
        "generatorURL": alert.get("generatorURL", ""),
        "is_named_right": alert["fingerprint"] == fingerprint(alert["labels"]),
        "receivers": [_receiver(job, receiver) for receiver in alert["receivers"]],
        "state": status["state"],
        "silences": len(status["silencedBy"]),
        "inhibitedBy": sorted(status["inhibitedBy"]),
        "mutedBy": sorted(status.get("mutedBy", [])),
    }


def _group(job: Job, group: Shown, began_at: float) -> Shown:
    alerts = [_alert(job, alert, began_at) for alert in group["alerts"]]
    return {
        "labels": unscoped(job, group["labels"]),
        "receiver": _receiver(job, group["receiver"]),
        "alerts": sorted(alerts, key=lambda one: sorted(one["labels"].items())),
    }


def _names(group: Shown) -> str:
    return repr([sorted(alert["labels"].items()) for alert in group["alerts"]])


def _receiver(job: Job, receiver: Shown) -> str:
    name = str(receiver["name"])
    return name.removeprefix(f"{job.scope}.") if job.scope else name


def _silence(silence: Shown, began_at: float) -> Shown:
    return {
        "matchers": sorted(
            (one["name"], one["value"], one["isRegex"], one["isEqual"])
            for one in silence["matchers"]
            if one["name"] != SCOPE_LABEL
        ),
        "startsAt": moment(silence["startsAt"], began_at),
        "endsAt": moment(silence["endsAt"], began_at),
        "state": silence["status"]["state"],
        "comment": silence["comment"],
        "createdBy": silence["createdBy"],
    }


# --- both -----------------------------------------------------------------------------------------------------------


def unlike(
    scenario: Scenario, oracle: Sequence[Listing], subject: Sequence[Listing], allow: Callable[[Allowance], None]
) -> Iterator[str]:
    """In what the listings differ, in words."""
    by_moment = {one.at: one for one in oracle}
    for other in subject:
        one = by_moment.get(other.at)
        if one is None:
            continue
        for name in ("alerts", "groups", "silences"):
            for words in _Unlike(scenario, allow).lists(getattr(one, name), getattr(other, name)):
                yield f"at {one.at:g} the list of {name}: {words}"


class _Unlike:
    def __init__(self, scenario: Scenario, allow: Callable[[Allowance], None]) -> None:
        self.scenario = scenario
        self.allow = allow

    def lists(self, ours: Sequence[Shown], theirs: Sequence[Shown]) -> Iterator[str]:
        names = [[_title(one) for one in side] for side in (ours, theirs)]
        if names[0] != names[1]:
            yield f"is {', '.join(names[0])} for the oracle, {', '.join(names[1])} for the subject"
            return
        for title, one, other in zip(names[0], ours, theirs, strict=True):
            for words in self.shown(one, other):
                yield f"of {title}, {words}"

    def shown(self, one: Shown, other: Shown) -> Iterator[str]:
        if "mutedBy" in one:
            other = self._without_muted_by(one, other)
        for key in one:
            if key == "alerts":
                yield from self.lists(one[key], other[key])
            elif key in {"startsAt", "endsAt"} and _is_stamped(one[key], other[key], is_silence="comment" in one):
                self.allow(STAMPED)
            elif key == "inhibitedBy" and one[key] and other[key] and self._several_sources(one):
                continue  # which one is shown is open
            elif one[key] != other[key]:
                yield f"{key} is {one[key]!r} for the oracle, {other[key]!r} for the subject"

    def _without_muted_by(self, one: Shown, other: Shown) -> Shown:
        """The subject's as 0.25 shows it, which knows no `mutedBy`."""
        if not other["mutedBy"] or one["mutedBy"]:
            return other
        self.allow(MUTED_BY)
        state = "suppressed" if other["silences"] or other["inhibitedBy"] else "active"
        return other | {"mutedBy": [], "state": state}

    def _several_sources(self, alert: Shown) -> bool:
        rules = [rule for rule in self.scenario.inhibit_rules if all_hold(rule.targets, alert["labels"])]
        alerts = Counter(
            report.labels for event in self.scenario.events if event.kind == "post" for report in event.reports
        )
        return sum(all_hold(rule.sources, dict(labels)) for labels in alerts for rule in rules) > 1


def _title(shown: Shown) -> str:
    if "comment" in shown:
        return f"{shown['state']} silence {shown['comment']}"
    labels = ",".join(f"{name}={value}" for name, value in sorted(shown["labels"].items()))
    return f"{shown['receiver']} {{{labels}}}" if "receiver" in shown else f"{{{labels}}}"


def _is_stamped(one: str, other: str, *, is_silence: bool) -> bool:
    """Whether both are instants that a server's clock gave: nobody posts other fractions than quarters.

    A silence that is posted at the very instant of its start has that one, or the server's if it came after it.
    """
    try:
        instants = _seconds(one), _seconds(other)
    except ValueError:  # written in another zone, so not by a server
        return False
    odd = [abs(4 * instant - round(4 * instant)) > 0.002 for instant in instants]
    return abs(instants[0] - instants[1]) <= STAMP_SLACK and (any(odd) if is_silence else all(odd))


def _seconds(text: str) -> float:
    return float(text.removesuffix("Z"))
