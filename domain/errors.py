"""The one tree of errors; it answers a caller's one question: does trying again help?"""

from __future__ import annotations

from datetime import timedelta


class DomainError(Exception):
    """Anything that a rule or a port refuses."""


class RejectedError(DomainError):
    """Never acceptable: answer 4xx, park the message, do not retry."""


class NotFoundError(RejectedError):
    """Nothing under that key: answer 404."""


class UnauthenticatedError(RejectedError):
    """Nobody proven asks: answer 401."""


class ForbiddenError(RejectedError):
    """Whoever asks is known, and may not: answer 403."""


class ConflictError(RejectedError):
    """What is asked does not fit what is so now: answer 409."""


class PreconditionError(RejectedError):
    """It has changed since the caller looked: answer 412."""


class UnavailableError(DomainError):
    """Not now: answer 503, or raise and let the trigger deliver again."""

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooManyError(UnavailableError):
    """The caller asks more often than it may: answer 429."""
