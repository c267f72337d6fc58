"""The reader of `alertmanager.yml`: text in, a checked configuration out, or every complaint at once.

It knows all of Alertmanager's keys.  What Tocsin does not do yet is refused by name, for a silent gap in a pager is
worse than a loud one.

Source: prometheus/alertmanager, config/config.go and config/notifiers.go.
"""

from __future__ import annotations

from datetime import timedelta

from domain.configuration import Configuration
from domain.configuration.bundle import Bundle, Templates, read_template_patterns
from domain.configuration.muting import read_inhibit_rules, read_time_intervals
from domain.configuration.receivers import read_global, read_receivers
from domain.configuration.routes import RouteReader
from domain.configuration.templated import template_check
from domain.errors import ConfigurationError
from domain.templates import TemplateError, TemplateSet, read_templates
from domain.yaml_document import Field, Problems, read_document

DEFAULT_RESOLVE_TIMEOUT = timedelta(minutes=5)


def read_configuration(
    text: str,
    *,
    name: str = "alertmanager.yml",
    templates: Templates | None = None,
    ignore_unsupported_receivers: bool = False,
) -> Configuration:
    """The configuration that the text of an `alertmanager.yml` and its template files spell.

    Paths of files stay as they are written, and no file is opened.

    Args:
        text: The whole file.
        name: What complaints call it.
        templates: The files that it names under `templates`; None where nobody could look for them.
        ignore_unsupported_receivers: Whether integrations of a kind that Tocsin does not speak to are left out, and
            named in `Receiver.ignored`; else they are refused.

    Raises:
        ConfigurationError: It is not YAML, breaks a rule of Alertmanager's, or asks for what is not supported yet.
    """
    problems = Problems()
    document = read_document(text, problems)
    configuration = (
        _read_document(document, text, templates, problems, ignores_unsupported=ignore_unsupported_receivers)
        if document
        else None
    )
    found = problems.in_order()
    if found or configuration is None:
        raise ConfigurationError(name, found)
    return configuration


def _read_templates(bundle: Bundle, problems: Problems) -> TemplateSet | None:
    try:
        return read_templates(bundle.templates)
    except TemplateError as error:
        place = error.place
        problems.add_in_file(place.name, place.line, place.column, error.problem)
        return None


def _no_check(text: str, is_html: bool) -> None:
    """Find nothing wrong with any template."""


def _read_document(
    document: Field, text: str, templates: Templates | None, problems: Problems, *, ignores_unsupported: bool
) -> Configuration | None:
    section = document.section()
    resolve_timeout, defaults = read_global(section.take("global"))
    section.not_yet("tracing")
    named = section.take("templates")
    is_missing = bool(read_template_patterns(named)) and templates is None
    if is_missing:
        named.refuse_key("the files that it names are not here; `tocsin config push FILE` sends them along")
    bundle = Bundle(text, templates or ())
    template_set = _read_templates(bundle, problems)
    # Without its files, what a receiver's text calls is not known either.
    check = _no_check if template_set is None or is_missing else template_check(template_set)
    receivers = read_receivers(section.take("receivers"), defaults, check, ignores_unsupported=ignores_unsupported)
    time_intervals = read_time_intervals(section)
    inhibit_rules = read_inhibit_rules(section.take("inhibit_rules"))
    route = section.take("route")
    section.close()
    if route.is_absent:
        document.refuse("no route provided")
        return None
    root = RouteReader({receiver.name for receiver in receivers}, time_intervals.keys()).read_root(route)
    return Configuration(
        version=bundle.version,
        original=text,
        templates=bundle.templates,
        template_set=template_set,
        root=root,
        receivers=receivers,
        resolve_timeout=resolve_timeout,
        inhibit_rules=inhibit_rules,
        time_intervals=time_intervals,
    )
