"""Trouble: why a model gave no answer, in words for the person who reads the first look instead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

import openai
from agent_framework.exceptions import ChatClientContentFilterException, ChatClientException

from adapters.agents.draft import MalformedError
from adapters.agents.meter import OverBudgetError

SOON = timedelta(minutes=1)
"""A service that says to come again so soon is worth asking again; one that says nothing is not."""


@dataclass
class TroubleError(Exception):
    """No answer, or none that is of use."""

    words: str
    """Begins a sentence, without its full stop."""
    code: str
    """For the record: one word."""
    retry_after: timedelta | None = None
    """When the service says to ask again; None where it says nothing, or where asking again does not help."""

    has_begun: bool = True
    """Whether the service may have worked for us, and is to be paid."""

    @property
    def is_soon(self) -> bool:
        """Whether it is worth asking again soon."""
        return self.retry_after is not None and self.retry_after <= SOON


@dataclass(frozen=True)
class Outcome:
    """How a look ended."""

    code: str
    """`model`, or the code of the trouble; `cancelled` where nobody waited for it any longer."""
    words: str = ""
    retry_after_seconds: float | None = None


def outcome_of(trouble: TroubleError) -> Outcome:
    """How a look ended that had this trouble."""
    after = trouble.retry_after
    return Outcome(trouble.code, trouble.words, after.total_seconds() if after is not None else None)


def unfinished(finish_reason: str) -> TroubleError | None:
    """What is wrong with an answer that ended like that; None where it came to its end."""
    match finish_reason:
        case "stop":
            return None
        case "length":
            return TroubleError("the model's answer was longer than it may be, and was cut off", "length")
        case "content_filter":
            return TroubleError("the service's content filter held back what the model answered", "answer_filtered")
        case "":
            return TroubleError("the model's answer broke off", "cut")
        case _:
            return TroubleError("the model asked for more looks instead of answering", "unfinished")


def trouble_of(error: BaseException, model: str, seconds: float) -> TroubleError:
    """What an exception of the framework, of its client, or of ours means."""
    match error:
        case TroubleError():
            return error
        case TimeoutError():
            return TroubleError(f"the model had not answered after {seconds:g} s", "deadline")
        case OverBudgetError():
            return TroubleError(f"it may take no more than {error}, and the model had not answered by then", "budget")
        case MalformedError():
            return TroubleError("the model's answer could not be read, nor the one after that", "malformed")
        case ChatClientContentFilterException():
            return TroubleError("the service's content filter refused to show the model these alerts", "filtered")
        case ChatClientException():
            return _of_client(error.__cause__ or error, model)
        case _:
            return TroubleError(f"asking the model failed: {type(error).__name__}", "failed")


def _of_client(cause: BaseException, model: str) -> TroubleError:
    match cause:
        case TroubleError():
            return cause
        case openai.APITimeoutError():
            return TroubleError("the model's service did not answer in time", "timeout")
        case openai.APIResponseValidationError():
            return TroubleError("the model's service answered something that cannot be read", "unreadable")
        case openai.APIConnectionError():
            return TroubleError("the model's service could not be reached, or broke off", "connection")
        case openai.RateLimitError():
            after = _retry_after(cause)
            when = f"for another {after.total_seconds():.0f} s" if after else "for now"
            return TroubleError(f"the model's service takes no more requests {when}", "rate_limited", after)
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            return TroubleError(f"the model's service did not let Tocsin in ({cause.status_code})", "refused")
        case openai.NotFoundError():
            return TroubleError(f"the model's service knows no model {model!r}, or it stands elsewhere", "not_found")
        case openai.InternalServerError():
            after = _retry_after(cause) if cause.status_code == 503 else None
            return TroubleError(f"the model's service has trouble of its own ({cause.status_code})", "server", after)
        case openai.APIStatusError():
            return TroubleError(f"the model's service refused the request ({cause.status_code})", "rejected")
        case _:
            return TroubleError(f"asking the model failed: {type(cause).__name__}", "failed")


def _retry_after(error: openai.APIStatusError) -> timedelta | None:
    headers = error.response.headers
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", told := headers.get(name, "").strip()):
            return timedelta(seconds=float(told) * unit)
    return None
