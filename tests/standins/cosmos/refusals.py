"""Refusal: an answer that is no success, in the words of the service or of the stand-in."""

from __future__ import annotations

from collections.abc import Mapping

CODES: Mapping[int, str] = {
    400: "BadRequest",
    401: "Unauthorized",
    404: "NotFound",
    408: "RequestTimeout",
    409: "Conflict",
    410: "Gone",
    412: "PreconditionFailed",
    413: "RequestEntityTooLarge",
    429: "TooManyRequests",
    449: "RetryWith",
    501: "NotImplemented",
    503: "ServiceUnavailable",
}


class Refusal(Exception):
    """Answers the request, or one operation of a batch, with `status`; whatever it has written is rolled back."""

    def __init__(
        self, status: int, message: str, *, substatus: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message
        self.substatus = substatus
        self.headers = dict(headers or {})

    @property
    def code(self) -> str:
        return CODES.get(self.status, str(self.status))


def unsupported(what: str) -> Refusal:
    """What the service can do and the stand-in cannot: 501 is no answer of the service, so no test misreads it."""
    return Refusal(501, f"the Cosmos DB stand-in does not support {what}")
