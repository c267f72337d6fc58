"""Constant: a string, a character or a number that is written out in a template, as Go reads it."""

from __future__ import annotations

import re

from domain.quoting import quote, unquote
from domain.templates.lexer import Source, Token

_INT = re.compile(r"[+-]?(?:0|[1-9][0-9_]*|0[xX][0-9a-fA-F_]+|0[oO]?[0-7_]+|0[bB][01_]+)")
_OCTAL = re.compile("0[0-7_]+")


def unquoted(source: Source, token: Token) -> str:
    """The text of a string, between double quotes or back quotes.

    Raises:
        TemplateError: It has an escape that Go does not know.
    """
    if token.kind == "raw":
        return token.text[1:-1].replace("\r", "")
    try:
        return unquote(token.text)
    except ValueError as error:
        raise source.error(token.offset, f"not a string: {error}") from None


def character_code(source: Source, token: Token) -> int:
    """The number of a character between single quotes.

    Raises:
        TemplateError: There is not exactly one.
    """
    body = token.text[1:-1]
    body = {"\\'": "'", '"': '\\"'}.get(body, body)
    try:
        text = unquote(f'"{body}"')
    except ValueError:
        text = ""
    if len(text) != 1:
        raise source.error(token.offset, f"{token.text} is not one character")
    return ord(text)


def number(source: Source, token: Token) -> int | float:
    """The number: whole as it is written, unless with a point or an exponent.

    Raises:
        TemplateError: It is none, or needs more than 64 bits.
    """
    text = token.text
    try:
        if not _INT.fullmatch(text):
            return float(text)
        digits = text.lstrip("+-")
        whole = int(digits, 8 if _OCTAL.fullmatch(digits) else 0) * (-1 if text[0] == "-" else 1)
    except ValueError:
        raise source.error(token.offset, f"{quote(text)} is not a number") from None
    if not -(2**63) <= whole < 2**63:
        raise source.error(token.offset, f"{text} does not fit into 64 bits")
    return whole
