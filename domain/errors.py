"""The one tree of errors; it answers a caller's one question: does trying again help?"""

from __future__ import annotations

from datetime import timedelta


class DomainError(Exception):
    """Anything that a rule or a port refuses."""


class RejectedError(DomainError):
    """Never acceptable: answer 4xx, park the message, do not retry."""


class NotFoundError(RejectedError):
    """Nothing under that key: answer 404."""


class UnavailableError(DomainError):
    """Not now: answer 503, or raise and let the trigger deliver again."""

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
