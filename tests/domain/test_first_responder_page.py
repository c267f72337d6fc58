"""docs/first-responder.md: its section `triage` loads, and its table has every key with its default."""

from __future__ import annotations

import re
from pathlib import Path

from domain.configuration.own import read_own_configuration
from domain.triage.rules import SERVICE_LABELS, Limits, Prices, TriageRules

PAGE = (Path(__file__).parents[2] / "docs" / "first-responder.md").read_text()
SECTION = PAGE.partition("## The section `triage` of `tocsin.yml`\n")[2].partition("\n## ")[0]
TABLE = {
    name: default.strip()
    for names, default in re.findall(r"^\| (`.+?) \| (.+?) \|", SECTION, re.MULTILINE)
    for name in re.findall(r"`([a-z_.]+)`", names)
}


def test_the_example_loads() -> None:
    example = re.search(r"```yaml\n(.*?)```", SECTION, re.DOTALL)
    assert example
    rules = read_own_configuration(example[1]).triage
    assert rules.calls == {"frontend": frozenset({"cart", "currency"}), "cart": frozenset({"redis"})}
    assert (rules.prices, rules.per_hour) == (Prices(2.5, 10), Limits(None, 200, None, 5))


def test_every_key_has_its_line() -> None:
    nested = {
        "prometheus": ("url", "bearer_token_file"),
        "runbooks": ("folder", "addresses"),
        "prices": ("input", "output"),
    }
    keys = [
        f"{name}.{inner}" if inner else name
        for name in TriageRules.__dataclass_fields__
        for inner in nested.get(name, ("",))
    ]
    assert sorted(TABLE) == sorted(keys)


def test_the_defaults_are_those_of_the_rules() -> None:
    rules = TriageRules()
    assert re.findall(r"`(\w+)`", TABLE["service_labels"]) == list(SERVICE_LABELS)
    assert TABLE["least_severity"] == f"`{rules.least_severity}`"
    assert TABLE["cool_down"] == f"`{rules.cool_down.total_seconds() / 60:g}m`"
    for name in ("per_incident", "per_hour", "per_day"):
        limits: Limits = getattr(rules, name)
        told = [f"{limits.tokens:,} tokens", f"{limits.calls:,} calls"]
        told += [f"{limits.seconds:g} seconds"] if limits.seconds is not None else []
        assert TABLE[name] == ", ".join(told)
        assert limits.money is None
