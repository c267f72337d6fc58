"""Entra ID: validates bearer tokens of listed tenants against the keys that each tenant publishes.

What is trusted is decided before any key is looked at: the algorithm is RS256, and the tenant and the issuer that the
token names are listed.  Only then the keys of that one tenant are fetched, and the token is verified for good.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adapters.settings import AUTHORITY
from domain.errors import UnauthenticatedError, UnavailableError
from domain.principals import Principal, Scope

if TYPE_CHECKING:
    from jwt import PyJWK

log = logging.getLogger("tocsin.entra")

LEEWAY_SECONDS = 60
REFRESH_SECONDS = 300.0
"""No sooner are the keys of a tenant fetched again, whatever key a token names."""

RETRY_SECONDS = 10.0
"""After keys could not be fetched."""

KEYS_KEPT_SECONDS = 24 * 3600.0
FETCH_SECONDS = 5.0
MOST_KEY_BYTES = 512 * 1024
LEAST_KEY_BITS = 2048
MOST_TOKEN_CHARACTERS = 16 * 1024
MOST_NAME_CHARACTERS = 100

REQUIRED = ("exp", "nbf", "iat", "iss", "aud")

ROLES = {f"Tocsin.{scope.value.capitalize()}": scope for scope in Scope}
"""The app roles that the app registration defines, and what each allows."""


def scopes_of(roles: Iterable[Any]) -> frozenset[Scope]:
    """What these app roles allow; roles of others mean nothing."""
    return frozenset(ROLES[role] for role in roles if isinstance(role, str) and role in ROLES)


def user(claims: Mapping[str, Any]) -> Principal:
    """Who the claims of a valid token speak of: a person, or an app that has no name.

    Raises:
        UnauthenticatedError: They name nobody.
    """
    identity = claims.get("oid")
    if not isinstance(identity, str) or not identity:
        raise UnauthenticatedError("the token names nobody: it has no claim oid")
    names = (claims.get(name) for name in ("preferred_username", "upn", "name", "app_displayname"))
    name = next((name for name in names if isinstance(name, str) and name), identity)
    roles = claims.get("roles")
    name = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name[:MOST_NAME_CHARACTERS])
    return Principal(
        f"user:{identity[:MOST_NAME_CHARACTERS]}", name, scopes_of(roles if isinstance(roles, list) else ())
    )


@dataclass(slots=True)
class _Tenant:
    keys: dict[str, PyJWK] = field(default_factory=dict)
    fetched_at: float = float("-inf")
    tried_at: float = float("-inf")
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Entra:
    """Bearer tokens of Entra ID; the keys of each tenant are kept for a day."""

    def __init__(
        self,
        tenants: Sequence[str],
        audiences: Sequence[str],
        authority: str = AUTHORITY,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tenants = {tenant.lower(): _Tenant() for tenant in tenants}
        self._audiences = list(audiences)
        self._authority = authority.rstrip("/")
        self._seconds = seconds

    async def prove(self, token: str) -> Principal:
        """Who this token speaks of.

        Raises:
            UnauthenticatedError: It is none, or not one for us, or not valid now; it says what is wrong with it.
            UnavailableError: The tenant's keys could not be fetched.
        """
        return user(await self.validate(token))

    async def validate(self, token: str) -> Mapping[str, Any]:
        """The claims of this token.

        Raises:
            UnauthenticatedError: It is none, or not one for us, or not valid now; it says what is wrong with it.
            UnavailableError: The tenant's keys could not be fetched.
        """
        import jwt

        if len(token) > MOST_TOKEN_CHARACTERS:
            raise UnauthenticatedError("the token is too long")
        if not token.isascii():
            raise UnauthenticatedError("this is neither an API key nor a token")
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") != "RS256":
                raise UnauthenticatedError("the token is not signed with RS256")
            named = jwt.decode(token, options={"verify_signature": False})
        except (jwt.InvalidTokenError, RecursionError):
            raise UnauthenticatedError("this is neither an API key nor a token") from None
        tenant, issuer = named.get("tid"), named.get("iss")
        if not isinstance(tenant, str) or tenant.lower() not in self._tenants:
            raise UnauthenticatedError("the token is of a tenant that is not listed here")
        issuers = self._issuers(tenant.lower())
        if issuer not in issuers:
            raise UnauthenticatedError("the token is of an issuer that is not its tenant's")
        key = await self._find_key(tenant.lower(), header.get("kid"))
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key=key.key,
                algorithms=["RS256"],
                audience=self._audiences,
                issuer=issuers,
                leeway=LEEWAY_SECONDS,
                options={"require": list(REQUIRED)},
            )
        except jwt.ExpiredSignatureError:
            raise UnauthenticatedError("the token has expired") from None
        except jwt.InvalidAudienceError:
            raise UnauthenticatedError("the token is for another audience") from None
        except jwt.InvalidTokenError as error:
            raise UnauthenticatedError(f"the token is not valid: {type(error).__name__}") from None
        return claims

    def _issuers(self, tenant: str) -> list[str]:
        """Of tokens of version 2, and of version 1, which managed identities get unless the app says otherwise."""
        issuers = [f"{self._authority}/{tenant}/v2.0"]
        if self._authority == AUTHORITY:
            issuers.append(f"https://sts.windows.net/{tenant}/")
        return issuers

    async def _find_key(self, name: str, kid: Any) -> PyJWK:
        tenant = self._tenants[name]
        if not isinstance(kid, str) or not kid:
            raise UnauthenticatedError("the token does not say which key signed it")
        if self._is_fresh(tenant) and kid in tenant.keys:
            return tenant.keys[kid]
        async with tenant.lock:  # one asks; the others find what it found
            if not (self._is_fresh(tenant) and kid in tenant.keys):
                await self._refresh(name, tenant)
        if kid in tenant.keys:
            return tenant.keys[kid]
        raise UnauthenticatedError("the token is signed with a key that its tenant does not publish")

    def _is_fresh(self, tenant: _Tenant) -> bool:
        return self._seconds() - tenant.fetched_at < KEYS_KEPT_SECONDS

    async def _refresh(self, name: str, tenant: _Tenant) -> None:
        now = self._seconds()
        if now - tenant.fetched_at < REFRESH_SECONDS:
            return
        if now - tenant.tried_at < RETRY_SECONDS:
            if tenant.keys:
                return
            raise UnavailableError(f"the keys of tenant {name} could not be fetched a moment ago")
        tenant.tried_at = now
        try:
            tenant.keys = _read_keys(await self._fetch(f"{self._authority}/{name}/discovery/v2.0/keys"))
            tenant.fetched_at = now
        except UnavailableError as error:
            if not tenant.keys:
                raise
            log.warning("%s; those from before stay", error)

    async def _fetch(self, url: str) -> bytes:
        import aiohttp

        limit = aiohttp.ClientTimeout(total=FETCH_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.get(url, allow_redirects=False) as answer,
            ):
                body = b""
                while not answer.content.at_eof() and len(body) < MOST_KEY_BYTES:
                    body += await answer.content.read(MOST_KEY_BYTES)
                if answer.status != 200:
                    raise UnavailableError(f"{url} answered {answer.status}")
                return body
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnavailableError(f"{url} did not answer: {type(error).__name__}") from error


def _read_keys(body: bytes) -> dict[str, PyJWK]:
    """The RSA keys for signatures in a JSON Web Key Set, by their `kid`; what else is in it is left out."""
    import json

    import jwt

    try:
        published = json.loads(body)["keys"]
        found = [key for key in published if key.get("kty") == "RSA" and key.get("use", "sig") == "sig"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnavailableError("what the tenant publishes is no set of keys") from error
    keys: dict[str, PyJWK] = {}
    for each in found:
        try:
            key = jwt.PyJWK(each, algorithm="RS256")
        except jwt.PyJWTError:
            continue
        if isinstance(kid := each.get("kid"), str) and key.key.key_size >= LEAST_KEY_BITS:
            keys[kid] = key
    if not keys:
        raise UnavailableError("the tenant publishes no key that could be used")
    return keys
