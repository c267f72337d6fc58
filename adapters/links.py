"""Links: makes and reads those by which whoever was told of an incident acknowledges it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from domain.errors import DomainError, NotFoundError
from domain.links import LIFETIME, Invitation, read, sign

log = logging.getLogger("tocsin.links")


class Links:
    """Signs with the installation's own secret; without one, as where a platform was given none, there are no links."""

    def __init__(self, external_url: str, key: Callable[[], bytes] | None, clock: Callable[[], datetime]) -> None:
        self._address = external_url.rstrip("/")
        self._key = key
        self._clock = clock

    def invite(self, incident: str, receiver: str) -> str:
        """The token for whoever reads this receiver's messages; empty where there can be none.

        A page goes out without it rather than not at all.
        """
        if self._key is None or not incident:
            return ""
        try:
            key = self._key()
        except DomainError as error:
            log.warning("notifications carry no link to acknowledge: %s", error)
            return ""
        return sign(Invitation(incident, receiver, self._clock() + LIFETIME), key)

    def address(self, token: str) -> str:
        """Where the token is answered; empty for an empty one."""
        return f"{self._address}/respond/{token}" if token else ""

    def read(self, token: str) -> Invitation:
        """What the token allows.

        Raises:
            NotFoundError: It is none of ours.
            ExpiredError: It is too old.
        """
        if self._key is None:
            raise NotFoundError("there are no links here: this Tocsin has no secret to sign them with")
        return read(token, self._key(), self._clock())
