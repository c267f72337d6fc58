"""The check of inhibit rules: those that never mute anything, and those that mute nearly everything."""

from __future__ import annotations

from collections.abc import Iterator

from domain.configuration import Configuration
from domain.configuration.checking.findings import Finding, note, warning
from domain.configuration.checking.places import Places
from domain.inhibition import InhibitRule
from domain.labels import Matcher
from domain.selection import Selection
from domain.silences import is_broad
from domain.yaml_document import Field


def check_inhibit_rules(configuration: Configuration, places: Places) -> Iterator[Finding]:
    """What is strange about each rule."""
    for rule, part in zip(configuration.inhibit_rules, places.rules, strict=True):
        if message := _why_never(rule):
            yield warning(part.field, "rule-never-applies", message)
        else:
            yield from _check_rule(rule, part.field)


def _why_never(rule: InhibitRule) -> str:
    """Why it never mutes anything; empty where it may."""
    # What the two have in common by `equal` holds on both sides.
    sources = Selection(rule.sources).narrowed(_of(rule.targets, rule.equal))
    targets = Selection(rule.targets).narrowed(_of(rule.sources, rule.equal))
    for matchers, side in ((rule.sources, "source"), (rule.targets, "target")):
        if contradiction := Selection(matchers).contradiction:
            return f"it never mutes anything: no {side} has {_and(contradiction)}; correct or remove it"
    if contradiction := sources.contradiction or targets.contradiction:
        return (
            f"it never mutes anything: `equal` wants one {contradiction[0].name} on both sides, and nothing has "
            f"{_and(contradiction)}; take {contradiction[0].name} out of `equal`"
        )
    if all(map(sources.implies, rule.targets)) and all(map(targets.implies, rule.sources)):
        return (
            "it never mutes anything: each source is a target as well, and the other way round, and such alerts do "
            "not mute each other; make the sides differ"
        )
    return ""


def _check_rule(rule: InhibitRule, field: Field) -> Iterator[Finding]:
    with_equal = f" with the same {', '.join(rule.equal)}, be it none," if rule.equal else ""
    if not rule.targets and not rule.equal:
        message = "while a source fires it mutes every other alert: it has no target_matchers and no `equal`; add some"
        yield warning(field, "rule-mutes-everything", message)
    elif rule.targets and is_broad(rule.targets):
        message = (
            f"its targets are said only by what they are not, {_and(rule.targets)}: while a source fires, nearly "
            f"every alert{with_equal} is muted; add a matcher that asks for a value if that is not meant"
        )
        yield (note if rule.equal else warning)(field, "broad-target", message)
    if not rule.sources:
        message = f"it has no source_matchers: any alert{with_equal} mutes its targets; say which ones do"
        yield warning(field, "broad-source", message)
    elif is_broad(rule.sources):
        message = (
            f"its sources are said only by what they are not, {_and(rule.sources)}: nearly any alert{with_equal} "
            "mutes its targets; add a matcher that asks for a value"
        )
        yield warning(field, "broad-source", message)
    elif all(map(Selection(rule.targets).narrowed(_of(rule.sources, rule.equal)).implies, rule.sources)):
        message = (
            "each of its targets is a source as well, and such alerts do not mute each other: only a source that is "
            "no target mutes; make the sides differ if more is meant"
        )
        yield note(field, "targets-are-sources", message)
    elif _is_of_two_kinds(rule) and not rule.equal:
        message = (
            f"it has no `equal`: while anything with {_and(rule.sources)} fires, wherever that is, each alert with "
            f"{_and(rule.targets)} is muted; name the labels that both must share"
        )
        yield warning(field, "rule-without-equal", message)


def _is_of_two_kinds(rule: InhibitRule) -> bool:
    """Whether both sides are said by one label alone that is no name: critical ones mute warnings, say."""
    names = {matcher.name for matcher in (*rule.sources, *rule.targets)}
    is_said = bool(rule.sources and rule.targets) and not is_broad(rule.targets)
    return is_said and len(names) == 1 and names != {"alertname"}


def _of(matchers: tuple[Matcher, ...], names: tuple[str, ...]) -> list[Matcher]:
    return [matcher for matcher in matchers if matcher.name in names]


def _and(matchers: tuple[Matcher, ...]) -> str:
    return " and ".join(map(str, matchers))
