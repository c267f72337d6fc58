"""The tree of routes by itself, read from a text of which nothing else needs to be right, or even there.

So it can be asked of a configuration whose secrets are hidden and whose template files are elsewhere.
"""

from __future__ import annotations

from domain.configuration import Configuration, Receiver, version_of
from domain.configuration.muting import read_time_intervals
from domain.configuration.routes import RouteReader
from domain.errors import ConfigurationError
from domain.yaml_document import Field, Problems, read_document


def read_tree(text: str, *, name: str = "alertmanager.yml") -> Configuration:
    """The routes and time intervals of an `alertmanager.yml`; of the receivers nothing but their names.

    Raises:
        ConfigurationError: It is not YAML, or one of these is wrong; `name` is what it calls the file.
    """
    problems = Problems()
    document = read_document(text, problems)
    configuration = _read_document(document, text) if document else None
    found = problems.in_order()
    if found or configuration is None:
        raise ConfigurationError(name, found)
    return configuration


def _read_document(document: Field, text: str) -> Configuration | None:
    section = document.section()
    names = [item.section().take("name").text() for item in section.take("receivers").items()]
    time_intervals = read_time_intervals(section)
    route = section.take("route")
    if route.is_absent:
        document.refuse("no route provided")
        return None
    return Configuration(
        version=version_of(text),
        original=text,
        root=RouteReader(names, time_intervals.keys()).read_root(route),
        receivers=tuple(map(Receiver, dict.fromkeys(names))),
        time_intervals=time_intervals,
    )
