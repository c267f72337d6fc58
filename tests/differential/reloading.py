"""Reloading: a seed in, a story out about alerts whose routes, receivers and groups are changed while they live.

A reload makes Alertmanager hand all alerts that it still has to new groups, one after the other in any order, and a
group whose first alert is old flushes at once, before it has the others.  So with two alerts in a group it differs from
itself; here each has a group of its own, whatever the tree (`instance` is in every `group_by`).  For the same reason
all have waited long enough when a reload comes.

The reloads stand at a half second, when nothing is left to tell; nothing happens shortly before them.  What fires again
does so where the grid that 0.25 keeps for an emptied group and the one that 0.34 begins are one (TM-4).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from tests.differential.scenario import (
    Change,
    Condition,
    Contact,
    Hook,
    LabelSet,
    Node,
    Post,
    Report,
    Scenario,
    label_set,
)

RELOADED_AT = (7.5, 13.5)
HORIZON = 20.0
WAIT = 0.5
NEVER = 40.5
FAR = 90.0
SPANS = ((0, 4), (9, 10), (15, 17))
"""The whole seconds at which something may happen, before, between and after the reloads."""

HUSH = (6.0, 7.0, 12.0, 13.0)
"""What ends then might be told at the very moment of a reload."""

NAMES = ("team", "db", "boss")
NEW = "new-"
"""Before the name of a receiver that is renamed."""
NOWHERE = Condition("severity", "=", "none")

_GROUP_BY = (("...",), ("instance",), ("alertname", "instance"), ("severity", "instance", "missing"))
_VALUES = {"alertname": ("DiskFull", "Slow"), "severity": ("page", "warn"), "cluster": ("x", "y")}


def reloading(seed: int) -> Scenario:
    """The story of this seed; the same one for ever."""
    return _Reloading(seed).scenario()


class _Reloading:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = random.Random(f"{seed}:reloads")
        self.interval = self.chance.choice((1.0, 2.0))

    def scenario(self) -> Scenario:
        chance = self.chance
        hooks = {name: tuple(Hook(chance.random() < 0.8) for _ in range(chance.choice((1, 1, 2)))) for name in NAMES}
        first = self._tree()
        second = self._changed(first)
        third = first if chance.random() < 0.5 else self._changed(second)
        events: dict[float, list[Report]] = {}
        for number in range(chance.randint(2, 5)):
            values = {name: chance.choice(values) for name, values in _VALUES.items() if chance.random() < 0.8}
            for at, report in self._life(label_set({"instance": str(number + 1), **values})):
                events.setdefault(at, []).append(report)
        return Scenario(
            seed=self.seed,
            root=first,
            receivers=tuple(Contact(f"{prefix}{name}", hooks[name]) for name in NAMES for prefix in ("", NEW)),
            events=tuple(Post(at, tuple(reports)) for at, reports in sorted(events.items())),
            horizon=HORIZON,
            changes=tuple(Change(at, root) for at, root in zip(RELOADED_AT, (second, third), strict=True)),
        )

    # --- trees ------------------------------------------------------------------------------------------------------

    def _tree(self) -> Node:
        chance = self.chance
        names = chance.sample(sorted(_VALUES), chance.randint(1, 3))
        children = tuple(
            Node(
                matchers=(Condition(name, "=", chance.choice(_VALUES[name])),),
                receiver=chance.choice((*NAMES, None)),
                group_by=chance.choice((*_GROUP_BY, None)),
                goes_on=chance.random() < 0.3,
            )
            for name in names
        )
        return Node((), chance.choice(NAMES), chance.choice(_GROUP_BY), WAIT, self.interval, NEVER, children=children)

    def _changed(self, root: Node) -> Node:
        """With one or two changes; sometimes with none."""
        for _ in range(self.chance.choice((0, 1, 1, 1, 2))):
            root = self._change(root)
        return root

    def _change(self, root: Node) -> Node:
        chance = self.chance
        number = chance.randrange(len(root.children))
        child = root.children[number]
        kind = chance.choice(("receiver", "group_by", "away", "away", "renamed", "root", "order", "continue"))
        match kind:
            case "receiver":
                child = replace(child, receiver=chance.choice(NAMES))
            case "group_by":
                child = replace(child, group_by=chance.choice(_GROUP_BY))
            case "away":
                child = replace(child, matchers=(NOWHERE,))
            case "continue":
                child = replace(child, goes_on=not child.goes_on)
            case "renamed":
                return _renamed(root, chance.choice(NAMES))
            case "root":
                return replace(root, receiver=chance.choice(NAMES), group_by=chance.choice(_GROUP_BY))
            case _:  # in another order
                return replace(root, children=root.children[::-1])
        return replace(root, children=(*root.children[:number], child, *root.children[number + 1 :]))

    # --- events -----------------------------------------------------------------------------------------------------

    def _life(self, alert: LabelSet) -> Iterator[tuple[float, Report]]:
        chance = self.chance
        moments = [float(at) for begin, end in SPANS for at in range(begin, end + 1)]
        at = float(chance.choice((0, 0, 0, 1, 2, 9)))
        starts, ends, grid = at, self._end(at), at + WAIT
        yield at, Report(alert, starts, ends)
        for before, at in pairwise([moment for moment in moments if moment >= at]):
            # Whatever the reload hands out begins its grid with it.
            grid = next((reload for reload in RELOADED_AT if before < reload < at), grid)
            if chance.random() < 0.55:
                continue
            if at < ends and chance.random() < 0.7:
                ends = at
                yield at, Report(alert, starts, ends)
            elif at < ends:
                ends = FAR
                yield at, Report(alert, starts, ends)
            elif (at + WAIT - grid) % self.interval == 0:
                starts, ends = at, self._end(at)
                yield at, Report(alert, starts, ends)

    def _end(self, at: float) -> float:
        """Mostly far; sometimes a lease that runs out, over a reload or not."""
        ends = at + self.chance.choice((3.0, 9.0))
        return FAR if self.chance.random() < 0.75 or ends in HUSH else ends


def _renamed(node: Node, name: str) -> Node:
    renamed = node.receiver if node.receiver != name else f"{NEW}{name}"
    return replace(node, receiver=renamed, children=tuple(_renamed(child, name) for child in node.children))
