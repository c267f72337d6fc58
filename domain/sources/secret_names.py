"""Secret names: what the names of fields say of their values."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

LONGEST_NAME = 200

_WORDS = frozenset(
    {"password", "passwd", "passphrase", "pwd", "secret", "token", "authorization", "credential", "credentials"}
    | {"cookie", "jwt", "bearer", "sig"}
)
_KEYS = frozenset(
    {"api", "access", "account", "encryption", "integration", "license", "master", "private", "routing", "secret"}
    | {"service", "shared", "signing", "subscription"}
)
"""With `key` behind them."""
_PAIRS = frozenset([(word, "key") for word in _KEYS] + [("connection", "string"), ("auth", "header")])
_ENDINGS = ("password", "passwd", "passphrase", "secret", "token", "apikey", "accesskey", "accountkey", "sharedkey")
_HARMLESS = frozenset(
    {"name", "names", "namespace", "count", "type", "kind", "age", "length", "size", "expiry", "expires", "expiration"}
    | {"expired", "expire", "days", "seconds", "policy", "rotation", "limit", "limits", "used", "usage", "total"}
    | {"rate", "errors", "failures", "failed", "version", "status", "state", "at"}
)
"""What ends a name that is about a secret and holds none: `secret_name`, `token_count`."""

_NAME_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def name_parts(name: str) -> list[str]:
    """The words and numbers that a name is made of, in lower case: `dbPassword2` is `db`, `password`, `2`."""
    return [part.lower() for part in _NAME_PARTS.findall(name[:LONGEST_NAME])]


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Whether a value of this name is one that nobody but its owner should have: `dbPassword`, `x-api-key`."""
    parts = name_parts(name)
    if not parts or (len(parts) > 1 and parts[-1] in _HARMLESS):
        return False
    if not _WORDS.isdisjoint(parts) or not _PAIRS.isdisjoint(pairwise(parts)):
        return True
    return any(part.endswith(_ENDINGS) for part in parts) or "".join(parts).endswith(_ENDINGS)
