"""Expressions: regular expressions simple enough to be compared with each other, as most of those in matchers are.

Such an expression is a choice of `Shape`s: rows of characters and of dots, `.` or `.*`.  What is more than that, as a
large class of characters or a repetition of anything but a dot, is not read, and nothing is claimed about it.
"""

from __future__ import annotations

from functools import lru_cache

DOT = "any"
"""In a shape: one character, whatever it is, but for a line break."""
DOTS = "many"
"""In a shape: any number of them."""

type Shape = tuple[str, ...]
"""A single character each, or `DOT`, or `DOTS`; a text is of the shape when it can be laid along it."""

MOST_SHAPES = 500
LONGEST_SHAPE = 500

_SPECIAL = frozenset(r"\.+*?()|[]{}^$")
_PLAIN_IN_CLASS = frozenset("_.:/@ ")


@lru_cache(maxsize=4096)
def shapes(pattern: str) -> frozenset[Shape] | None:
    """The shapes of which a text must have one to match the whole expression; None where it is not simple."""
    try:
        reader = _Reader(_unwrapped(pattern))
        found = reader.choice()
    except _NotSimpleError:
        return None
    return found if reader.is_at_end else None


def is_literal(shape: Shape) -> bool:
    """Whether only one text is of that shape."""
    return DOT not in shape and DOTS not in shape


def is_within(inner: Shape, outer: Shape) -> bool:
    """Whether every text of the one shape is of the other as well; where that is not plain to see, it says no."""
    places = _passed({0}, outer)
    for token in inner:
        following = set()
        for place in places:
            if place == len(outer):
                continue
            if outer[place] == DOTS and token != "\n":
                following.add(place)
            elif token == outer[place] or (outer[place] == DOT and token not in (DOTS, "\n")):
                following.add(place + 1)
        places = _passed(following, outer)
    return len(outer) in places


def is_apart(one: Shape, other: Shape) -> bool:
    """Whether no text is of both shapes."""
    seen: set[tuple[int, int]] = set()
    waiting = [(0, 0)]
    while waiting:
        pair = waiting.pop()
        if pair in seen:
            continue
        seen.add(pair)
        left, right = pair
        if left == len(one) and right == len(other):
            return False
        token = one[left] if left < len(one) else ""
        opposite = other[right] if right < len(other) else ""
        if token == DOTS:
            waiting.append((left + 1, right))
        if opposite == DOTS:
            waiting.append((left, right + 1))
        if token and opposite and _share_a_character(token, opposite):
            waiting.append((left + (token != DOTS), right + (opposite != DOTS)))
    return True


def _share_a_character(token: str, opposite: str) -> bool:
    wild = (DOT, DOTS)
    if token in wild:
        return opposite != "\n"
    return token == opposite or (opposite in wild and token != "\n")


def _passed(places: set[int], shape: Shape) -> set[int]:
    """These places, and those behind any number of dots, which may stand for nothing."""
    passed = set(places)
    for place in places:
        while place < len(shape) and shape[place] == DOTS:
            place += 1
            passed.add(place)
    return passed


class _NotSimpleError(Exception):
    pass


class _Reader:
    """Reads an expression from left to right."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._position = 0

    @property
    def is_at_end(self) -> bool:
        return self._position == len(self._pattern)

    def _peek(self) -> str:
        return self._pattern[self._position : self._position + 1]

    def _accept(self, text: str) -> bool:
        is_there = self._pattern.startswith(text, self._position)
        self._position += len(text) * is_there
        return is_there

    def choice(self) -> frozenset[Shape]:
        found = self._row()
        while self._accept("|"):
            found |= self._row()
        return _bounded(found)

    def _row(self) -> frozenset[Shape]:
        found: frozenset[Shape] = frozenset({()})
        while self._peek() not in ("", "|", ")"):
            parts = self._optional(self._part())
            found = _bounded(frozenset(head + tail for head in found for tail in parts))
        return found

    def _part(self) -> frozenset[Shape]:
        char = self._peek()
        self._position += 1
        match char:
            case "(":
                if self._peek() == "?" and not self._accept("?:"):
                    raise _NotSimpleError
                found = self.choice()
                if not self._accept(")"):
                    raise _NotSimpleError
                return found
            case "[":
                return self._one_of()
            case ".":
                if self._accept("*"):
                    return frozenset({(DOTS,)})
                return frozenset({(DOT, DOTS) if self._accept("+") else (DOT,)})
            case "\\":
                escaped = self._peek()
                self._position += 1
                # Letters and digits stand for something else behind a backslash.
                if not escaped.isascii() or escaped.isalnum() or not escaped.isprintable() or not escaped:
                    raise _NotSimpleError
                return frozenset({(escaped,)})
            case _ if char in _SPECIAL:
                raise _NotSimpleError
            case _:
                return frozenset({(char,)})

    def _one_of(self) -> frozenset[Shape]:
        end = self._pattern.find("]", self._position)
        inside = self._pattern[self._position : end]
        if end < 0 or not inside or inside[0] == "-" or inside[-1] == "-":
            raise _NotSimpleError
        self._position = end + 1
        found = set()
        place = 0
        while place < len(inside):
            first = last = inside[place]
            place += 1
            if inside[place : place + 1] == "-":
                last = inside[place + 1]
                place += 2
            for end_of_range in (first, last):
                if not (end_of_range.isascii() and (end_of_range.isalnum() or end_of_range in _PLAIN_IN_CLASS)):
                    raise _NotSimpleError
            found |= {(chr(code),) for code in range(ord(first), ord(last) + 1)}
        return _bounded(frozenset(found))

    def _optional(self, parts: frozenset[Shape]) -> frozenset[Shape]:
        # A question mark behind a repetition means that it takes little first, which changes no whole match.
        if self._pattern[self._position - 1] in "*+" and self._pattern[self._position - 2] == ".":
            self._accept("?")
        elif self._accept("?"):
            self._accept("?")
            parts |= {()}
        if self._peek() in ("*", "+", "?", "{"):
            raise _NotSimpleError
        return parts


def _bounded(found: frozenset[Shape]) -> frozenset[Shape]:
    if not found or len(found) > MOST_SHAPES or any(len(shape) > LONGEST_SHAPE for shape in found):
        raise _NotSimpleError
    return found


def _unwrapped(pattern: str) -> str:
    """Without the anchors and the group around all of it, which mean nothing where the whole must match."""
    while True:
        bare = pattern.removeprefix("^")
        if bare.endswith("$") and _is_bare(bare, len(bare) - 1):
            bare = bare[:-1]
        for opening in ("(?:", "("):
            if bare.startswith(opening) and not bare.startswith("(?", len(opening) - 1) and _closes_last(bare):
                bare = bare[len(opening) : -1]
                break
        if bare == pattern:
            return pattern
        pattern = bare


def _is_bare(pattern: str, place: int) -> bool:
    """Whether no backslash before it takes the meaning from this character."""
    before = pattern[:place]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 0


def _closes_last(pattern: str) -> bool:
    """Whether the bracket that opens the expression is closed by its last character, and not before."""
    depth = 0
    is_escaped = in_class = False
    for place, char in enumerate(pattern):
        if is_escaped:
            is_escaped = False
        elif char == "\\":
            is_escaped = True
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
        elif char in "()":
            depth += 1 if char == "(" else -1
            if depth == 0:
                return place == len(pattern) - 1
    return False
