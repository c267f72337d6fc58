"""Make docs/settings.md of the settings themselves: `python -m scripts.settings_page --write`.

A test compares the page with what this makes, so a setting that is added, renamed or described anew is on it.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo

from adapters.settings import Settings, variable_of

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"

SECTIONS: dict[str, tuple[str, ...]] = {
    "Where everything lives": ("home", "data", "durability"),
    "What it does": (
        "configuration",
        "own_configuration",
        "compat",
        "ignore_unsupported_receivers",
        "shadow",
        "external_url",
        "raw_retention_hours",
        "retention_entries_days",
        "retention_incidents_days",
    ),
    "Who may ask, and who may be told": (
        "auth",
        "key_pepper",
        "entra_tenants",
        "entra_audience",
        "entra_authority",
        "private_receivers",
        "slack_signing_secret",
        "cors_origins",
        "proxies",
    ),
    "Limits": (
        "body_bytes",
        "batch_alerts",
        "request_seconds",
        "ingest_per_second",
        "ingest_burst",
        "requests_per_second",
        "requests_burst",
        "most_waiting",
    ),
    "The first responder": (
        "triage",
        "triage_process",
        "model",
        "model_endpoint",
        "model_key",
        "model_review",
        "model_reasoning",
        "triage_record",
    ),
    "Azure": (
        "cosmos_endpoint",
        "cosmos_database",
        "cosmos",
        "service_bus_namespace",
        "service_bus",
        "web_pubsub_endpoint",
        "web_pubsub_hub",
        "web_pubsub",
        "reconcile_subscriptions",
        "reconcile_action_groups",
        "reconcile_endpoint",
        "website_site_name",
        "website_auth_enabled",
    ),
}
"""The order of the page; a setting that stands in none of them is told under `FURTHER`."""

FURTHER = "Further settings"

FLAGS = {
    "data": "--data",
    "durability": "--durability",
    "compat": "--compat",
    "configuration": "--config",
    "own_configuration": "--tocsin-config",
    "ignore_unsupported_receivers": "--ignore-unsupported-receivers",
    "shadow": "--shadow",
    "external_url": "--external-url",
    "auth": "--auth",
}
"""What `tocsin serve` takes for a setting; the flag goes before the variable."""

NEEDED_ON_AZURE = ("cosmos_endpoint", "service_bus_namespace", "key_pepper")
"""Without these the home `azure` is refused, as long as it asks for keys and talks to no emulator."""

ONLY_IN = {
    "data": "sqlite",
    "durability": "sqlite",
    "retention_entries_days": "sqlite",
    "retention_incidents_days": "sqlite",
    "most_waiting": "sqlite and memory",
    "cosmos_database": "azure",
    "cosmos": "azure",
    "service_bus": "azure",
}
"""The homes that heed a setting, where it is not all of them."""

UNITS = {
    "ingest_per_second": "requests a second",
    "ingest_burst": "requests",
    "requests_per_second": "requests a second",
    "requests_burst": "requests",
    "batch_alerts": "alerts",
    "most_waiting": "messages",
    "proxies": "proxies",
}
"""Of those whose names do not end in theirs."""

SUFFIXES = ("bytes", "seconds", "minutes", "hours", "days", "characters")

HEAD = """\
# Settings

<!-- Made by `python -m scripts.settings_page --write` of adapters/settings.py; change that. -->

What Tocsin reads from its environment, once, when it starts: variables of `tocsin serve`, app settings on Azure,
`Values` in `local.settings.json`. `tocsin serve` has flags for some, which go before the variable. A value that cannot
be meant is refused at the start, with the variable's name. What concerns alerts and receivers stands in the
`alertmanager.yml` and the `tocsin.yml`, which are followed while it runs.

## What each home needs

| home (`TOCSIN_HOME`) | needs |
|---|---|
| `sqlite`, the default | nothing; `TOCSIN_DATA` says in which folder |
| `memory` | nothing, and forgets all at its end |
| `azure` | {needed}; on Azure also what the Functions host itself reads ([azure.md](azure.md#settings)) |

Secrets are settings too: on Azure each is a reference to Key Vault. `true` and `false` are written so.
"""

TAIL = """\
## The command line

What the commands read that talk to a Tocsin which runs, such as `tocsin incidents list`:

| variable | meaning | default |
|---|---|---|
| `TOCSIN_URL` | Where it runs; `--url` goes before it. | `http://127.0.0.1:7071` |
| `TOCSIN_KEY` | The API key, or a token of Entra ID, that is sent; `--key` goes before it. | not set |
"""


def render() -> str:
    """The whole page."""
    fields = Settings.model_fields
    needed = ", ".join(f"`{variable_of(name)}`" for name in NEEDED_ON_AZURE)
    placed = {name for names in SECTIONS.values() for name in names}
    further = tuple(name for name in fields if name not in placed)
    parts = [HEAD.format(needed=needed)]
    for title, names in {**SECTIONS, FURTHER: further}.items():
        if names:
            rows = (_row(name, fields[name]) for name in names)
            parts.append(f"## {title}\n\n| variable | meaning | default | unit |\n|---|---|---|---|\n{''.join(rows)}")
    return "\n".join([*parts, TAIL])


def _row(name: str, field: FieldInfo) -> str:
    variable = f"`{variable_of(name)}`" + (f", `{FLAGS[name]}`" if name in FLAGS else "")
    meaning = " ".join(_sentences(name, field)).replace("|", "\\|")
    return f"| {variable} | {meaning} | {_default(field.default)} | {_unit(name, field)} |\n"


def _sentences(name: str, field: FieldInfo) -> Iterator[str]:
    description = " ".join((field.description or "").split())
    yield description
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    if choices:
        yield f"One of {', '.join(f'`{choice}`' for choice in choices)}."
    bounds = ", ".join(_bounds(field))
    if bounds:
        yield f"{bounds[0].upper()}{bounds[1:]}."
    if not field.repr:
        yield "A secret."
    if name in NEEDED_ON_AZURE:
        yield "Home `azure` needs it."
    if name in ONLY_IN:
        yield f"Only for home {' and '.join(f'`{home}`' for home in ONLY_IN[name].split(' and '))}."


def _bounds(field: FieldInfo) -> Iterator[str]:
    for constraint in field.metadata:
        match constraint:
            case Ge(least):
                # Nothing is said of what nobody would try, a negative number.
                if least != 0:
                    yield f"at least {_number(least)}"
            case Gt(least):
                yield f"more than {_number(least)}"
            case Le(most):
                yield f"at most {_number(most)}"
            case _:
                pass


def _default(value: Any) -> str:
    if value is None or value == "":
        return "not set"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
    return f"`{value}`"


def _unit(name: str, field: FieldInfo) -> str:
    if name in UNITS:
        return UNITS[name]
    ending = name.rpartition("_")[2]
    return ending if ending in SUFFIXES else ""


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def main() -> int:
    """Print the page, or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name} instead of printing it")
    if parser.parse_args().write:
        PAGE.write_text(render(), encoding="utf-8")
    else:
        sys.stdout.write(render())
    return 0


if __name__ == "__main__":
    sys.exit(main())
