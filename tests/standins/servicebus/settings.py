"""How a queue is set up, and how many messages it holds."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class QueueSettings:
    """The defaults are those of the service, Standard tier."""

    sessions: bool = False
    lock_seconds: float = 60.0
    max_delivery_count: int = 10
    duplicate_window_seconds: float = 0.0  # 0: no detection
    lifetime_seconds: float | None = None
    dead_letter_expired: bool = False
    max_message_bytes: int = 262_144  # a batch is bound by it too


@dataclass(frozen=True)
class Counts:
    active: int
    locked: int
    scheduled: int
    deferred: int
