"""Shared: secrets that a sender sends along as they are, where it can sign nothing; only TLS keeps them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence

from domain.errors import UnauthenticatedError
from domain.signatures import is_any, octets


def check_header(headers: Mapping[str, str], name: str, secrets: Sequence[str]) -> None:
    """Whether the header of that name, in lower case, is one of the secrets.

    Raises:
        UnauthenticatedError: It is not.
    """
    if not is_any([octets(headers.get(name, "").strip())], [octets(secret) for secret in secrets]):
        raise UnauthenticatedError(f"the request does not have the right header {name}")


def check_bearer(headers: Mapping[str, str], secrets: Sequence[str]) -> None:
    """Whether `Authorization: Bearer` has one of the secrets.

    Raises:
        UnauthenticatedError: It has not.

    Source: RFC 6750, section 2.1.
    """
    if not is_any([octets(_credentials(headers, "bearer"))], [octets(secret) for secret in secrets]):
        raise UnauthenticatedError("the request does not have the right Authorization: Bearer")


def check_basic(headers: Mapping[str, str], username: str, secrets: Sequence[str]) -> None:
    """Whether `Authorization: Basic` has this name, or any where it is empty, and one of the secrets as the password.

    Raises:
        UnauthenticatedError: It has not.

    Source: RFC 7617, section 2.
    """
    try:
        given = base64.b64decode(octets(_credentials(headers, "basic")), validate=True)
    except binascii.Error:
        given = b""
    name, _, password = given.partition(b":")
    right = [octets(secret) for secret in secrets]
    # Both are compared, whatever the first one is.
    is_right = [is_any([password], right), not username or is_any([name], [octets(username)])]
    if not all(is_right):
        raise UnauthenticatedError("the request does not have the right Authorization: Basic")


def _credentials(headers: Mapping[str, str], scheme: str) -> str:
    name, _, credentials = headers.get("authorization", "").strip().partition(" ")
    return credentials.strip() if name.lower() == scheme else ""
