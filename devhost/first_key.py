"""First key: whoever starts Tocsin with `--auth` for the first time needs one to make others with."""

from __future__ import annotations

from functools import partial

from adapters.wiring import Ports
from domain.audit import AuditRecord
from domain.keys import add_first, new_key
from domain.principals import LOCAL, Scope

NAME = "first key"


async def make_first_key(home: Ports) -> str | None:
    """A key that may everything, where there never was any key; to be shown, since it is not kept."""
    token, now = home.keyring.make_token(), home.clock()
    key = new_key(
        token,
        home.keyring.pepper,
        name=NAME,
        scopes=frozenset({Scope.ADMIN}),
        created_by=LOCAL.id,
        now=now,
    )
    if not await home.keys.change_keys(partial(add_first, key=key)):
        return None
    await home.audit.append(
        AuditRecord(
            at=now,
            actor=LOCAL.id,
            actor_name=LOCAL.name,
            action="make_first_key",
            target="keys",
            target_id=key.id,
            address="",
            request_id="",
            outcome="done",
        )
    )
    return token
