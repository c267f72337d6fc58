"""Easy Auth: who the platform in front says is asking; to be believed only where there is such a platform."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection
from typing import Any

from adapters.entra import user
from domain.errors import UnauthenticatedError
from domain.principals import Principal

MOST_CHARACTERS = 64 * 1024

_NAMES = {
    "http://schemas.microsoft.com/identity/claims/objectidentifier": "oid",
    "http://schemas.microsoft.com/identity/claims/tenantid": "tid",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": "upn",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name": "name",
}
"""Easy Auth maps some claims of the token to names of older times."""


def read_principal(header: str, tenants: Collection[str]) -> Principal:
    """Who it names; of the provider Entra ID, and of a listed tenant where any is listed.

    Raises:
        UnauthenticatedError: It is no such header, or names nobody of ours.
    """
    try:
        if len(header) > MOST_CHARACTERS:
            raise ValueError("too long")
        told = json.loads(base64.b64decode(header, validate=True))
        provider, pairs = told["auth_typ"], [(claim["typ"], claim["val"]) for claim in told["claims"]]
        role_type = told.get("role_typ")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error):
        raise UnauthenticatedError("X-MS-CLIENT-PRINCIPAL cannot be read") from None
    if provider != "aad":
        raise UnauthenticatedError("only people who signed in with Entra ID are known here")
    claims: dict[str, Any] = {"roles": []}
    for name, told_value in pairs:
        if name in ("roles", role_type):
            claims["roles"].append(told_value)
        elif isinstance(name, str):
            claims.setdefault(_NAMES.get(name, name), told_value)
    tenant = claims.get("tid")
    if tenants and (not isinstance(tenant, str) or tenant.lower() not in tenants):
        raise UnauthenticatedError("the tenant of whoever signed in is not listed here")
    return user(claims)
