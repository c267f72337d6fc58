"""Causality: the newest writes that this process knows of, so that its reads are never older than those.

Session consistency promises a client its own writes only.  Here one instance commits a delivery and another folds its
result: were the second to read from a replica that has not seen the commit, the result would seem to belong to
nothing.  So the session tokens travel with the messages, and each process reads at least as new as all it has heard of.
"""

from __future__ import annotations

import logging
from collections import Counter

import msgspec

log = logging.getLogger("tocsin.cosmos")

REFUSALS = 5


class Causality:
    """For each container and physical partition the newest session token; merged, never set back."""

    def __init__(self) -> None:
        self._tokens: dict[str, dict[str, tuple[int, str]]] = {}
        self._refused: Counter[str] = Counter()

    def token(self, container: str) -> str | None:
        """What a read of this container sends; None before anything is known of it."""
        known = self._tokens.get(container)
        return ",".join(f"{place}:{text}" for place, (_, text) in known.items()) if known else None

    def note(self, container: str, token: str | None) -> None:
        """An answer of the store carried this token: `0:-1#12`, several of them joined by commas, or nothing."""
        if not token:
            return
        self._refused.pop(container, None)
        known = self._tokens.setdefault(container, {})
        for part in token.split(","):
            place, _, text = part.partition(":")
            number = _number(text)
            if number is not None and number >= known.get(place, (-1, ""))[0]:
                known[place] = number, text

    def is_behind(self, container: str) -> None:
        """A read was refused since its replica has not seen what is known here.

        Mostly it catches up.  A token from before a failover may never become true: after some refusals in a row it is
        forgotten, and the etags alone keep writes right.
        """
        self._refused[container] += 1
        if self._refused[container] >= REFUSALS:
            log.warning("the session tokens of container %s are forgotten: no replica knows them", container)
            self._tokens.pop(container, None)

    def stamp(self) -> str:
        """Everything known, to travel with a message; empty when nothing is."""
        tokens = {container: self.token(container) for container in self._tokens}
        return msgspec.json.encode(tokens).decode() if tokens else ""

    def learn(self, stamp: str) -> None:
        """Take over what the sender of a message knew; a stamp that cannot be read teaches nothing."""
        try:
            tokens = msgspec.json.decode(stamp, type=dict[str, str | None])
        except msgspec.MsgspecError:
            return
        for container, token in tokens.items():
            self.note(container, token)


def _number(text: str) -> int | None:
    """The sequence number in `-1#12`, or in `12` as older services write it."""
    try:
        return int(text.split("#")[1] if "#" in text else text)
    except ValueError:
        return None
