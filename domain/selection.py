"""Selection: the alerts that several matchers select together, and what is certain of them all.

What is claimed here always holds; what is not claimed may hold all the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import takewhile

from domain.expressions import DOT, DOTS, Shape, is_apart, is_literal, is_within, shapes
from domain.labels import Matcher, MatchType

_OPPOSITES = {
    MatchType.EQUAL: MatchType.NOT_EQUAL,
    MatchType.NOT_EQUAL: MatchType.EQUAL,
    MatchType.REGEX: MatchType.NOT_REGEX,
    MatchType.NOT_REGEX: MatchType.REGEX,
}


def opposite(matcher: Matcher) -> Matcher:
    """The matcher that selects just what this one does not."""
    return Matcher(matcher.name, _OPPOSITES[matcher.type], matcher.value)


@dataclass(frozen=True, slots=True)
class Selection:
    """What all the matchers select, on all possible alerts; with none, any alert.

    With `in_one_line`, of possible alerts only those count whose values have no line break: to them `.*` means
    anything, as whoever writes it believes.
    """

    matchers: tuple[Matcher, ...] = ()
    in_one_line: bool = False
    _by_name: dict[str, tuple[Matcher, ...]] = field(init=False, repr=False, compare=False)
    _known: dict[str, frozenset[str] | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_known", {})
        by_name: dict[str, tuple[Matcher, ...]] = {}
        for matcher in dict.fromkeys(self.matchers):
            by_name[matcher.name] = (*by_name.get(matcher.name, ()), matcher)
        object.__setattr__(self, "_by_name", by_name)

    def narrowed(self, matchers: Iterable[Matcher]) -> Selection:
        """What these matchers select of it."""
        return Selection((*self.matchers, *matchers), self.in_one_line)

    @property
    def contradiction(self) -> tuple[Matcher, ...]:
        """Matchers of one label that no value satisfies together; none where nothing is known to be wrong."""
        for matchers in self._by_name.values():
            if _is_impossible(matchers, self.in_one_line):
                return matchers
        return ()

    @property
    def is_empty(self) -> bool:
        """Whether it is certain that no alert can be among them."""
        return bool(self.contradiction)

    def implies(self, matcher: Matcher) -> bool:
        """Whether it is certain that the matcher selects each of them; asked of one that is not empty."""
        known = self.values(matcher.name)
        if known is not None:
            return all(matcher.matches({matcher.name: value}) for value in known)
        return _is_impossible((*self._by_name.get(matcher.name, ()), opposite(matcher)), self.in_one_line)

    def values(self, name: str) -> frozenset[str] | None:
        """All the values that their label of this name can have, "" where it can be absent; None for too many."""
        if name not in self._known:
            self._known[name] = _values(self._by_name.get(name, ()), self.in_one_line)
        return self._known[name]

    def can_begin(self, name: str, beginnings: tuple[str, ...]) -> bool:
        """Whether their label of this name may begin with one of these, or be the beginning of one; quickly said."""
        for matcher in self._by_name.get(name, ()):
            own = _beginnings(matcher)
            if own and not any(one.startswith(other) or other.startswith(one) for one in own for other in beginnings):
                return False
        return True


MOST_TOGETHER = 100
"""So many others are looked at together at most; more of them are asked one by one."""


def covering(selection: Selection, others: Iterable[tuple[Matcher, ...]]) -> tuple[int, ...]:
    """The places of some of the others that, between them, certainly select all of the selection; none if none do.

    No place is among them that is not needed.
    """
    candidates = [(place, matchers) for place, matchers in enumerate(others) if not _is_beside(selection, matchers)]
    for place, matchers in candidates:
        if all(map(selection.implies, matchers)):
            return (place,)
    if len(candidates) > MOST_TOGETHER or not _do_cover(selection, candidates):
        return ()
    needed = list(candidates)
    for candidate in candidates:
        fewer = [each for each in needed if each is not candidate]
        if _do_cover(selection, fewer):
            needed = fewer
    return tuple([place for place, _ in needed])


def _is_beside(selection: Selection, matchers: tuple[Matcher, ...]) -> bool:
    """Whether it is quickly seen that nothing of the selection is selected by these."""
    for matcher in matchers:
        known = selection.values(matcher.name)
        if known is None:
            if not selection.can_begin(matcher.name, _beginnings(matcher) or ("",)):
                return True
        elif not any(matcher.matches({matcher.name: value}) for value in known):
            return True
    return False


def _do_cover(selection: Selection, others: list[tuple[int, tuple[Matcher, ...]]]) -> bool:
    """Whether nothing is left of the selection when what the others select is taken away, one after the other.

    Where one of them asks only one thing that is not certain already, whatever it leaves fails just that.
    """
    rest = selection
    waiting = [matchers for _, matchers in others]
    is_narrower = True
    while is_narrower:
        is_narrower = False
        for matchers in list(waiting):
            uncertain = [matcher for matcher in matchers if not rest.implies(matcher)]
            if len(uncertain) > 1:
                continue
            rest = rest.narrowed(map(opposite, uncertain))
            if not uncertain or rest.is_empty:
                return True
            waiting.remove(matchers)
            is_narrower = True
    return False


# --- the values of one label ------------------------------------------------------------------------------------------

_ANYTHING: Shape = (DOTS,)
_SOMETHING: Shape = (DOT, DOTS)


@lru_cache(maxsize=16384)
def _beginnings(matcher: Matcher) -> tuple[str, ...]:
    """With what a value must begin, one or the other, to be selected; none where that is not known."""
    if matcher.type is MatchType.EQUAL:
        return (matcher.value,)
    found = shapes(matcher.value) if matcher.type is MatchType.REGEX else None
    if not found:
        return ()
    return tuple({"".join(takewhile(lambda token: token not in (DOT, DOTS), shape)) for shape in found})


@lru_cache(maxsize=16384)
def _values(matchers: tuple[Matcher, ...], in_one_line: bool) -> frozenset[str] | None:
    """The values that satisfy all of them, where these can be counted."""
    for matcher in matchers:
        choice = _choice(matcher, in_one_line)
        if choice is not None:
            return frozenset(value for value in choice if _satisfies(value, matchers))
    return None


def _satisfies(value: str, matchers: tuple[Matcher, ...]) -> bool:
    return all(matcher.matches({matcher.name: value}) for matcher in matchers)


def _choice(matcher: Matcher, in_one_line: bool) -> frozenset[str] | None:
    match matcher.type:
        case MatchType.EQUAL:
            return frozenset({matcher.value})
        case MatchType.REGEX:
            found = shapes(matcher.value)
            if found is not None and all(map(is_literal, found)):
                return frozenset(map("".join, found))
        case MatchType.NOT_REGEX:
            if in_one_line and any(is_within(_SOMETHING, shape) for shape in shapes(matcher.value) or ()):
                return frozenset({""})
        case MatchType.NOT_EQUAL:
            pass
    return None


@lru_cache(maxsize=16384)
def _is_impossible(matchers: tuple[Matcher, ...], in_one_line: bool) -> bool:
    """Whether no value of their label satisfies all of them, for certain."""
    values = _values(matchers, in_one_line)
    if values is not None:
        return not values
    wanted = {matcher.value for matcher in matchers if matcher.type is MatchType.REGEX}
    unwanted = {matcher.value for matcher in matchers if matcher.type is MatchType.NOT_REGEX}
    if wanted & unwanted:
        return True
    choices = [found for pattern in wanted if (found := shapes(pattern)) is not None]
    if in_one_line:
        choices.append(frozenset({_ANYTHING if _satisfies("", matchers) else _SOMETHING}))
    barred = [shape for pattern in unwanted for shape in shapes(pattern) or ()]

    def is_possible(shape: Shape) -> bool:
        if is_literal(shape):
            return _satisfies("".join(shape), matchers)
        if any(is_within(shape, outer) for outer in barred):
            return False
        return not any(all(is_apart(shape, other) for other in choice) for choice in choices)

    return any(not any(map(is_possible, choice)) for choice in choices)
