"""Labels: what identifies an alert, and the matchers that select by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import NewType

import re2
from fnv_c import fnv1a_64

from domain.errors import RejectedError
from domain.quoting import quote

type Labels = Mapping[str, str]

Fingerprint = NewType("Fingerprint", str)
"""Sixteen hexadecimal digits, zero-padded: what Alertmanager shows as an alert's identity."""


def fingerprint(labels: Labels) -> Fingerprint:
    """The 64-bit FNV-1a hash of the labels, in the order of their names' bytes.

    Annotations, times and URLs never count (FP-1).

    Source: `LabelSet.Fingerprint` in prometheus/common, model/signature.go.
    """
    parts: list[str] = []
    for name in sorted(labels):
        parts += (name, labels[name])
    parts.append("")
    # Between them stands 0xFF, which cannot occur in UTF-8.
    text = "\0".join(parts)
    if text.count("\0") < len(parts):
        data = text.encode().replace(b"\0", b"\xff")
    else:
        data = b"\xff".join([part.encode() for part in parts])
    return Fingerprint(f"{fnv1a_64(data):016x}")


def label_order(labels: Labels) -> tuple[object, ...]:
    """Sorts sets of labels: fewer before more; among equally many the first name in which they differ decides.

    Who lacks that name comes first.

    Source: `LabelSet.Before` in prometheus/common, model/labelset.go.
    """
    return (len(labels), tuple((_lacking_first(name), labels[name]) for name in sorted(labels)))


class _Descending(str):
    """A string that sorts before the smaller ones."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)


@lru_cache(maxsize=4096)
def _lacking_first(name: str) -> _Descending:
    # At the first place where two sorted lists of names differ, the list with the greater name lacks the lesser one.
    return _Descending(name)


def is_valid_label_name(name: str) -> bool:
    """Whether an alert may carry a label of this name: anything but nothing that can be written in UTF-8 (IN-3)."""
    if not name:
        return False
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate, which JSON can spell and UTF-8 cannot
        return False
    return True


class MatchType(StrEnum):
    """The four operators (MA-1), in the order that matchers of one name and value are sorted in (RT-6)."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


GO_WHITESPACE = (
    "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
)
"""What Go's `unicode.IsSpace` holds for white space; Python's `isspace` takes four control characters more."""

RESERVED = frozenset(GO_WHITESPACE + "{}!=~,\\\"'`")
"""What a name or a value must be quoted for in the syntax of matchers (MA-2, MA-5)."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label; an absent label reads as the empty string (MA-1).

    Raises:
        RejectedError: The value of `=~` or `!~` is no regular expression of RE2.
    """

    name: str
    type: MatchType
    value: str
    # Kept beside the type, because asking the type costs more than the comparison itself.
    _is_negated: bool = field(init=False, repr=False, compare=False)
    _finds: Callable[[str], bool] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        is_regex = self.type in (MatchType.REGEX, MatchType.NOT_REGEX)
        object.__setattr__(self, "_is_negated", self.type in (MatchType.NOT_EQUAL, MatchType.NOT_REGEX))
        object.__setattr__(self, "_finds", _compiled(self.value) if is_regex else None)

    def matches(self, labels: Labels) -> bool:
        """Whether an alert with these labels is selected."""
        text = labels.get(self.name, "")
        finds = self._finds
        return (text == self.value if finds is None else finds(text)) is not self._is_negated

    @property
    def matches_empty(self) -> bool:
        """Whether it also selects alerts without the label; `!=` and `!~` mostly do (SI-2 asks less of silences)."""
        return self.matches({})

    def __str__(self) -> str:
        r"""As Alertmanager shows it and both its parsers read it back: `team="db"`, or `"a b"="db"` (MA-5)."""
        if not RESERVED.isdisjoint(self.name):
            return f"{quote(self.name)}{self.type}{quote(self.value)}"
        value = self.value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
        return f'{self.name}{self.type}"{value}"'


def match_all(matchers: tuple[Matcher, ...], labels: Labels) -> bool:
    """Whether every one of the matchers selects these labels; none at all select everything."""
    for matcher in matchers:  # noqa: SIM110 - a generator for `all` costs more than the matching
        if not matcher.matches(labels):
            return False
    return True


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> Callable[[str], bool]:
    options = re2.Options()
    options.log_errors = False  # it would write to standard error by itself
    options.never_capture = True
    try:
        # Put together as text, as Alertmanager does, so that `a)|(?:b` means the same here and there.
        regex = re2.compile(f"^(?:{pattern})$", options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise RejectedError(f"invalid regular expression {quote(pattern)}: {reason}") from error

    # A match costs 4 to 11 microseconds, mostly the binding's; a value that was seen before costs 0.1.
    @lru_cache(maxsize=1024)
    def finds(text: str) -> bool:
        return regex.search(text) is not None

    return finds
