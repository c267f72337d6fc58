"""The reader of `alertmanager.yml`: text in, a checked configuration out, or every complaint at once.

It knows all of Alertmanager's keys.  What Tocsin does not do yet is refused by name, for a silent gap in a pager is
worse than a loud one.

Source: prometheus/alertmanager, config/config.go and config/notifiers.go.
"""

from __future__ import annotations

from datetime import timedelta

from domain.configuration import Configuration, version_of
from domain.configuration.receivers import read_global, read_receivers
from domain.configuration.routes import RouteReader
from domain.errors import RejectedError
from domain.yaml_document import Field, Problem, Problems, read_document

__all__ = ["ConfigurationError", "Problem", "read_configuration"]

DEFAULT_RESOLVE_TIMEOUT = timedelta(minutes=5)


class ConfigurationError(RejectedError):
    """A configuration that cannot be used; it says one line for each problem: `alertmanager.yml:12: route: ...`."""

    def __init__(self, name: str, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(_line(name, problem) for problem in problems))
        self.name = name
        self.problems = problems
        """All that were found, by line and column; never none."""


def read_configuration(text: str, *, name: str = "alertmanager.yml") -> Configuration:
    """The configuration that the text of an `alertmanager.yml` spells.

    Paths of files stay as they are written, and no file is opened.

    Args:
        text: The whole file.
        name: What complaints call it.

    Raises:
        ConfigurationError: It is not YAML, breaks a rule of Alertmanager's, or asks for what is not supported yet.
    """
    problems = Problems()
    document = read_document(text, problems)
    configuration = _read_document(document, text) if document else None
    found = problems.in_order()
    if found or configuration is None:
        raise ConfigurationError(name, found)
    return configuration


def _line(name: str, problem: Problem) -> str:
    return ": ".join(part for part in (f"{name}:{problem.line}", problem.key, problem.message) if part)


def _read_document(document: Field, text: str) -> Configuration | None:
    section = document.section()
    resolve_timeout, http = read_global(section.take("global"))
    section.not_yet("inhibit_rules", "time_intervals", "mute_time_intervals", "templates", "tracing")
    receivers = read_receivers(section.take("receivers"), http)
    route = section.take("route")
    section.close()
    if route.is_absent:
        document.refuse("no route provided")
        return None
    root = RouteReader(frozenset(receiver.name for receiver in receivers)).read_root(route)
    return Configuration(version_of(text), text, root, receivers, resolve_timeout)
