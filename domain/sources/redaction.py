"""Redaction: what of a payload is not kept: values by their paths, and those whose names say that they are secret.

The text is changed in its places and nowhere else, so what is kept is what was sent: names that come twice, numbers as
they were written, and also what is cut short or no JSON at all.  A mask takes the place of a value, of an object
or a list that of each value in it; one that is null, true, false or empty stays, for it tells nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import re2

from domain.sources.paths import LONGEST_PATH, State, enter, parse_path, states_of
from domain.sources.secret_names import LONGEST_NAME, is_secret

MASK = "[redacted]"

MOST_PATHS = 50
MASKED_NAMED = 20
"""So many of the places that were masked are told."""

DEEPEST_TEXT = 4
"""Texts that hold JSON which holds texts that hold JSON are looked into so deep; SNS has two."""


def _fast(pattern: str) -> re2._Regexp:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.case_sensitive = False
    return re2.compile(pattern, options)


# Nearly every payload has none of these and is kept without another look.  The last one is a sign of ASCII that is
# written as an escape, in which a name could hide.
_SUSPICIOUS = _fast(
    r"passw|passp|pwd|secret|token|authorization|credential|cookie|jwt|bearer|\bsig\b"
    r"|(?:api|access|account|encryption|integration|license|master|private|routing|service|shared|signing|subscription)"
    r"[-_. ]?key|connection[-_. ]?string|auth[-_. ]?header|:(?:/|\\/){2}[^/\s\"]{1,300}@|\\u00[2-7]"
)

# Each begins where a name does, and takes all of it: a text of a megabyte is looked at once, not once a character.
_ASSIGNED = re.compile(r"(?<![A-Za-z0-9_.%-])([A-Za-z0-9_.%-]++)(=)([^\s&;,\"'<>\\]+)")
_TOLD = re.compile(r"(?<![A-Za-z0-9_.%-])([A-Za-z0-9_.%-]++)(:[ ]?+)(?![A-Za-z0-9_.%-]++[=:])([^\s&;,\"'<>\\]+)")
_USERINFO = re.compile(r"(://)([^/\s\"'@:]{0,200}:[^/\s\"'@]{1,200})(?=@)")
_SCHEME = re.compile(r"\b((?:bearer|basic)[ ]+)([A-Za-z0-9+/=._~-]{8,})", re.IGNORECASE)


# --- bodies ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text without what is secret in it."""

    text: str
    masked: tuple[str, ...] = ()
    """Where masks are, the first `MASKED_NAMED`; empty where nothing was masked."""
    secrets: frozenset[str] = frozenset()
    """What they hide; for `scrub`, and not to be kept."""


def redact(text: str, paths: Sequence[str] = ()) -> Redacted:
    """The text with a mask for each value at these paths, and for all whose names say that they are secret.

    It may be JSON, several values of it after each other, cut anywhere, or something else: of that only what looks
    like `password=…`, `Bearer …` or a URL with a password is masked.

    Raises:
        RejectedError: One of the paths is none.
    """
    parsed = [parse_path(path) for path in paths]
    if not parsed and not _SUSPICIOUS.search(text):
        return Redacted(text)
    found = _Findings()
    changed = _redact(text, states_of(parsed), "$", found, 0)
    return Redacted(changed, tuple(found.masked), frozenset(found.secrets))


@dataclass(slots=True)
class _Findings:
    masked: list[str] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)

    def add(self, place: str, secret: str) -> None:
        self.secrets.add(secret)
        if len(self.masked) < MASKED_NAMED and place not in self.masked:
            self.masked.append(place[:LONGEST_PATH])


def _redact(text: str, states: frozenset[State], place: str, found: _Findings, depth: int) -> str:
    if text.lstrip("\ufeff \t\r\n")[:1] not in ("{", "["):
        return _mask_in_text(text, place, found)
    pieces: list[str] = []
    end = 0
    for begin, stop, mask in sorted(_Scan(text, states, place, found, depth).spans()):
        if begin >= end:
            pieces += (text[end:begin], mask)
            end = stop
    pieces.append(text[end:])
    return "".join(pieces)


def _mask_in_text(text: str, place: str, found: _Findings) -> str:
    """Mask what of a plain text is told by what stands before it."""

    def mask(match: re.Match[str]) -> str:
        if match.re in (_ASSIGNED, _TOLD) and not is_secret(match[1]):
            return match[0]
        found.add(place, match[match.lastindex or 0])
        return "".join(match.groups()[:-1]) + MASK

    for pattern in (_SCHEME, _USERINFO, _ASSIGNED, _TOLD):
        text = pattern.sub(mask, text)
    return text


_TEXT = r'"(?:[^"\\]++|\\.)*+"'
_TOKEN = re.compile(
    rf'[\s\ufeff]*+(?:({_TEXT}|"[^"]*+\Z)(\s*+:)?|([{{\[])|([}}\]])|(,)|([^\s{{}}\[\],:"]++)|(.))', re.DOTALL
)
_COLON, _OPENING, _CLOSING, _COMMA = 2, 3, 4, 5

_MEMBERS = re.compile(r'(?:\s*+(?!"[vV]al(?:ue)?")"[^"\\]*+"\s*+:\s*+(?:"[^"\\]*+"|[-+.0-9A-Za-z]++)\s*+,?+)++')
"""Members of an object, as many as have names and values without escapes: at once, for there may be thousands."""

_NAMING = frozenset(("name", "key", "Name", "Key", "label"))
_NAMED = frozenset(("value", "Value", "val"))
_TELLS_NOTHING = frozenset(('""', "null", "true", "false", f'"{MASK}"'))

type _Span = tuple[int, int, str]


@dataclass(slots=True)
class _Frame:
    """One object or array that is open."""

    is_object: bool
    states: frozenset[State]
    place: str
    step: str | int = 0
    """The name of the member that is being read, or the place in the array."""
    is_suspicious: bool = False
    """Whether that name may be one of a secret."""
    names_secret: bool = False
    """Whether `name` was that of a secret, so that `value` is one: `{"name": "password", "value": …}`."""
    values: list[tuple[int, int, str]] = field(default_factory=list)
    """Where `value` stands, and what the place is called, in case `name` comes after it."""


class _Scan:
    """One walk over the tokens of a text that begins as JSON; keeps no tree, so no depth is too deep for it."""

    def __init__(self, text: str, states: frozenset[State], place: str, found: _Findings, depth: int) -> None:
        self._text = text
        self._frame = _Frame(False, states, place)
        self._found = found
        self._depth = depth
        self._stack: list[_Frame] = []
        self._masks: list[_Span] = []
        self._hidden: int | None = None
        """How deep the stack was where an object or a list began that is masked."""

    def spans(self) -> list[_Span]:
        """What is to be replaced, and by what; may overlap, then the first one holds all."""
        text, place = self._text, 0
        suspicions = [match.start() for match in _SUSPICIOUS.finditer(text)]
        suspicions += (len(text), len(text) + 1)
        number = 0
        while True:
            while suspicions[number] < place:
                number += 1
            frame = self._frame
            is_plain = frame.is_object and not frame.states and not frame.names_secret and self._hidden is None
            if is_plain and (members := _MEMBERS.match(text, place, suspicions[number])) is not None:
                place = members.end()
            match = _TOKEN.match(text, place)
            if match is None:
                break
            place = match.end()
            self._take(match, is_suspicious=suspicions[number] < place)
        return self._masks

    def _take(self, match: re.Match[str], *, is_suspicious: bool) -> None:
        frame, kind, end = self._frame, match.lastindex or 0, match.end()
        if kind == _OPENING:
            self._open(is_object=match[_OPENING] == "{")
        elif kind == _CLOSING:
            self._close()
        elif kind == _COMMA:
            if isinstance(frame.step, int):
                frame.step += 1
        elif kind == _COLON:
            frame.step = _plain(match[1])
            frame.is_suspicious = is_suspicious
        elif self._hidden is not None:
            if match[kind] not in _TELLS_NOTHING:
                self._hide(match.start(kind), end, _join(frame))
        elif is_suspicious or frame.is_suspicious or frame.names_secret or frame.states:
            self._value(match[kind], match.start(kind), end, is_suspicious=is_suspicious)
        elif frame.step in _NAMED:
            frame.values.append((match.start(kind), end, _join(frame)))

    def _open(self, *, is_object: bool) -> None:
        outer = self._frame
        states, place, is_masked = outer.states, outer.place, False
        if self._stack or outer.is_object:
            if states:
                states, is_masked = enter(states, outer.step)
            place = _join(outer)
            # `authorization` with an object is Azure's word for who may what.
            is_masked = is_masked or (self._is_secret(outer) and outer.step != "authorization")
            if is_masked and self._hidden is None:
                self._hidden = len(self._stack)
        self._stack.append(outer)
        self._frame = _Frame(is_object, states, place)

    def _close(self) -> None:
        if self._stack:
            self._frame = self._stack.pop()
        if self._hidden is not None and len(self._stack) <= self._hidden:
            self._hidden = None

    @staticmethod
    def _is_secret(frame: _Frame) -> bool:
        if isinstance(frame.step, int):
            return frame.names_secret and frame.step == 1  # ["Authorization", "Bearer …"]
        return (frame.is_suspicious and is_secret(frame.step)) or (frame.names_secret and frame.step in _NAMED)

    def _value(self, token: str, begin: int, end: int, *, is_suspicious: bool) -> None:
        frame = self._frame
        states, is_masked = enter(frame.states, frame.step) if frame.states else (frozenset[State](), False)
        is_text = token.startswith('"')
        is_naming = frame.step in _NAMING if frame.is_object else frame.step == 0
        if is_text and is_suspicious and is_naming and is_secret(_plain(token)):
            frame.names_secret = True
            for span in frame.values:
                self._hide(*span)
        elif is_masked or self._is_secret(frame):
            if token not in _TELLS_NOTHING:
                self._hide(begin, end, _join(frame))
        elif is_text and (states or is_suspicious):
            self._look_into(token, begin, end, states)
        if frame.step in _NAMED:
            frame.values.append((begin, end, _join(frame)))

    def _look_into(self, token: str, begin: int, end: int, states: frozenset[State]) -> None:
        """A text may hold JSON, or a URL with a password."""
        before, place = _plain(token), _join(self._frame)
        if self._depth < DEEPEST_TEXT:
            after = _redact(before, states, place, self._found, self._depth + 1)
        else:
            after = MASK
            self._found.add(place, before)
        if after != before:
            self._masks.append((begin, end, json.dumps(after)))

    def _hide(self, begin: int, end: int, place: str) -> None:
        self._masks.append((begin, end, f'"{MASK}"'))
        self._found.add(place, _plain(self._text[begin:end]))


def _plain(token: str) -> str:
    """What a token says: of a text its characters."""
    if not token.startswith('"'):
        return token
    if "\\" not in token:
        return token[1:-1] if token.endswith('"') and len(token) > 1 else token[1:]
    try:
        return str(json.loads(token, strict=False))
    except ValueError:
        return token[1:]


def _join(frame: _Frame) -> str:
    if len(frame.place) > LONGEST_PATH:
        return frame.place  # else what is nested deeply would take the square of its depth
    if isinstance(frame.step, int):
        return f"{frame.place}[{frame.step}]"
    return f"{frame.place}.{frame.step[:LONGEST_NAME]}"


# --- what was made of it --------------------------------------------------------------------------------------------

LEAST_SCRUBBED = 4
"""A shorter secret is masked where it stands alone; within other words it would be found everywhere."""

LONGEST_UNNOTICED = 16
"""Of a longer one the beginning is looked for as well: complaints quote what they are about, and cut it."""

MOST_SOUGHT = 200


def scrub(text: str, secrets: frozenset[str]) -> str:
    """A text that was made of a payload, without the secrets that were masked in it."""
    if not secrets:
        return text
    if text in secrets and text:
        return MASK
    for secret in secrets if len(secrets) <= MOST_SOUGHT else ():
        if len(secret) >= LEAST_SCRUBBED and secret in text:
            text = text.replace(secret, MASK)
        begin = secret[:LONGEST_UNNOTICED]
        if len(secret) > LONGEST_UNNOTICED and begin in text:
            text = text.partition(begin)[0] + MASK  # somebody has cut it
    return text


def scrub_labels(labels: Mapping[str, str], secrets: frozenset[str]) -> dict[str, str]:
    """Labels without secrets: neither those of the payload, nor what has the name of one."""
    masked = {name: MASK if is_secret(name) else text for name, text in labels.items()}
    return {name: scrub(text, secrets) for name, text in masked.items()} if secrets else masked
