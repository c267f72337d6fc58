"""Signatures: whether who claims to have sent a request has signed it, judged before a byte of it is read.

One module for each family of schemes; `verification` says which of them a source is held to.  Every check takes the
body as it came, the headers by their names in lower case, all secrets that are valid now (of which any one suffices, so
that they can be changed without a gap), and the clock.  Whatever the headers hold, it raises `UnauthenticatedError` or
nothing, and its words hold neither a secret nor what was sent.

A request that is sent again within the window passes again.  It must: after a timeout every sender repeats itself, many
with the very same signature, and to refuse that would lose the alert that the first attempt may not have brought.
Folding in the same alert again is no news.  At worst whoever recorded a request can, for as long as the window is open,
have an alert fire again that has ended since; without the secret he can say nothing that the sender did not say.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from domain.errors import UnauthenticatedError

WINDOW = timedelta(minutes=5)
"""How far the time in a signature may be from ours, either way: what was recorded earlier cannot be sent again."""

# ASCII digits alone, for int() takes more.
_SECONDS = re.compile(r"[0-9]{1,12}")


def octets(text: str) -> bytes:
    """The text in UTF-8, whatever a server made of a header's bytes."""
    return text.encode("utf-8", "surrogatepass")


def is_any(given: Iterable[bytes], right: Collection[bytes]) -> bool:
    """Whether one of those given is one of the right ones; how long it takes tells nothing of these.

    Nothing given is never right, be it that a secret is empty too.
    """
    # All are compared, where `any` would stop at the first.
    return sum(hmac.compare_digest(one, other) for one in given if one for other in right) > 0


def check_seconds(seconds: str, whose: str, now: datetime) -> None:
    """Hold a signed time to the window.

    Args:
        seconds: Since 1970, as the header has it; to be looked at only once its signature is known to be right.
        whose: For the words of the error: `Grafana`.
        now: The clock.

    Raises:
        UnauthenticatedError: It is no such time, or outside of the window.
    """
    if not _SECONDS.fullmatch(seconds):
        raise UnauthenticatedError(f"the time of {whose}'s signature is no number")
    if abs(now.timestamp() - int(seconds)) > WINDOW.total_seconds():
        raise UnauthenticatedError(f"{whose}'s signature is too old, or a clock is wrong")
