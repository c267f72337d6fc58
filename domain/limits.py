"""Limits: token buckets, which say how often somebody may ask; kept by one process, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass

MOST_BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many a second in the long run, and so many at once."""

    per_second: float
    burst: float


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Buckets:
    """One bucket for each name that asks, all of one rate; a full one is the same as none.

    Seconds come from a clock that never goes back.
    """

    def __init__(self, rate: Rate, most: int = MOST_BUCKETS) -> None:
        self.rate = rate
        self._most = most
        self._buckets: dict[str, _Bucket] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, name: str, now: float) -> float:
        """Take one token; returns 0, or after how many seconds there will be one, and takes none then."""
        bucket = self._buckets.get(name)
        if bucket is None:
            if len(self._buckets) >= self._most:
                self._make_room(now)
            self._buckets[name] = _Bucket(self.rate.burst - 1, now)
            return 0.0
        tokens = min(self.rate.burst, bucket.tokens + (now - bucket.at) * self.rate.per_second)
        bucket.at = now
        if tokens < 1:
            bucket.tokens = tokens
            return (1 - tokens) / self.rate.per_second
        bucket.tokens = tokens - 1
        return 0.0

    def wait(self, name: str, now: float) -> float:
        """After how many seconds there will be a token; 0 for at once.  Takes none."""
        bucket = self._buckets.get(name)
        if bucket is None:
            return 0.0
        tokens = bucket.tokens + (now - bucket.at) * self.rate.per_second
        return max(0.0, (1 - tokens) / self.rate.per_second)

    def _make_room(self, now: float) -> None:
        """Forget those that are full again; where none is, the ones that were made first."""
        rate = self.rate
        kept = {
            name: bucket
            for name, bucket in self._buckets.items()
            if bucket.tokens + (now - bucket.at) * rate.per_second < rate.burst
        }
        # A tenth at once: looking through all of them for each new name would be the flood's own work.
        for name in list(kept)[: max(0, len(kept) - self._most * 9 // 10)]:
            del kept[name]
        self._buckets = kept


class Limits:
    """How often each principal may ask."""

    def __init__(self, ingest: Rate, other: Rate) -> None:
        self._ingest = Buckets(ingest)
        self._other = Buckets(other)

    def take(self, who: str, now: float, *, is_ingest: bool) -> float:
        """Count one request; returns 0, or after how many seconds to ask again."""
        return (self._ingest if is_ingest else self._other).take(who, now)


FAILURES_OF_ADDRESS = Rate(per_second=0.2, burst=20)
FAILURES_OF_KEY = Rate(per_second=1, burst=100)


WRONG_SECONDS = 30.0
"""So long what was found wrong is known to be."""


class Attempts:
    """How often somebody may fail to prove who they are: by network, and by the key that they name.

    A sender that goes on with a key that was revoked is no attacker, and others sit behind the same address.  So the
    same wrong proof again counts once in a while only, and is known to be wrong without being looked at; and where a
    network has proven a key, that pair is not held back: whoever knows a key's id, which is no secret, could else lock
    its owner out.
    """

    def __init__(
        self, of_address: Rate = FAILURES_OF_ADDRESS, of_key: Rate = FAILURES_OF_KEY, most: int = MOST_BUCKETS
    ) -> None:
        self._of_address = Buckets(of_address, most)
        self._of_key = Buckets(of_key, most)
        self._proven: dict[tuple[str, str], None] = {}
        self._wrong: dict[int, tuple[float, str]] = {}
        self._most = most

    def known_wrong(self, network: str, proof: str, now: float) -> str | None:
        """What was wrong with it a moment ago; None where that is not known."""
        found = self._wrong.get(hash((network, proof)))
        return found[1] if found is not None and now - found[0] < WRONG_SECONDS else None

    def wait(self, network: str, key_id: str, now: float) -> float:
        """After how many seconds another attempt is looked at; 0 for at once."""
        if (network, key_id) in self._proven:
            return 0.0
        return max(self._of_address.wait(network, now), self._of_key.wait(key_id, now) if key_id else 0.0)

    def failed(self, network: str, key_id: str, proof: str, why: str, now: float) -> None:
        """Count a failure."""
        self._of_address.take(network, now)
        if key_id:
            self._of_key.take(key_id, now)
        _make_room(self._wrong, self._most)
        self._wrong[hash((network, proof))] = now, why  # the proof itself may be almost right, and is not kept

    def succeeded(self, network: str, key_id: str) -> None:
        """Remember that this network proved this key, or, without one, a token."""
        if (network, key_id) not in self._proven:
            _make_room(self._proven, self._most)
            self._proven[network, key_id] = None


def _make_room[K, V](known: dict[K, V], most: int) -> None:
    if len(known) >= most:
        del known[next(iter(known))]
