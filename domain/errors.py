"""The one tree of errors; it answers a caller's one question: does trying again help?"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domain.yaml_document import Problem


class DomainError(Exception):
    """Anything that a rule or a port refuses."""

    loggable: str = ""
    """The same without what another system said, which may repeat what it was sent; empty where all words are ours."""


class RejectedError(DomainError):
    """Never acceptable: answer 4xx (422 where no class below says otherwise), park the message, do not retry."""


class MalformedError(RejectedError):
    """The body is not what Alertmanager's API takes; nothing of it is accepted.

    `code` is Alertmanager's own (400, or go-openapi's 601 and 602), `status` the HTTP status that goes with it.
    """

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class UnreadableError(RejectedError):
    """The bytes are not what they say they are, so nothing in them can be judged: answer 400."""


class InputError(RejectedError):
    """What was asked can be read, and is wrong: answer 422; `errors` are pairs of a field and what is wrong with it."""

    def __init__(self, message: str, errors: tuple[tuple[str, str], ...]) -> None:
        super().__init__(message)
        self.errors = errors


class TooLargeError(RejectedError):
    """More than is taken at once: answer 413."""


class ConfigurationError(RejectedError):
    """A configuration that cannot be used; it says one line for each problem: `alertmanager.yml:12: route: ...`."""

    def __init__(self, name: str, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join([_line(name, problem) for problem in problems]))
        self.name = name
        self.problems = problems
        """All that were found, by line and column; never none."""


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


def _line(name: str, problem: Problem) -> str:
    place = f"{problem.file}:{problem.line}:{problem.column}" if problem.file else f"{name}:{problem.line}"
    return ": ".join(part for part in (place, problem.key, problem.message) if part)
