"""Rendering: the texts of an integration as one notification fills them in."""

from __future__ import annotations

import html
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import quote

import msgspec

from adapters.links import Links
from domain.configuration.bundle import Templates
from domain.errors import RejectedError
from domain.notifications import Notification
from domain.templates import Data, Template, TemplateError, read_templates, template_data
from domain.yaml_document import Problems, read_document

_KEPT_SETS = 8
_KEPT_TEXTS = 10_000

_PAGE_OF_ALERTS = '{{ template "__alertmanagerURL" . }}'


class _Compiled:
    """What was compiled with the template files of one configuration."""

    def __init__(self, templates: Templates) -> None:
        self._set = read_templates(templates)
        self._texts: dict[tuple[str, bool], Template] = {}

    def get(self, text: str, *, is_html: bool) -> Template:
        known = self._texts.get((text, is_html))
        if known is None:
            if len(self._texts) >= _KEPT_TEXTS:
                self._texts.clear()
            known = self._texts[text, is_html] = self._set.compile(text, name="template", html=is_html)
        return known


class Page:
    """One notification, and where its incident is shown; renders whatever text is to tell of it.

    Where the default templates link to Alertmanager's own page of alerts, a page's texts link to the incident:
    Alertmanager has no incidents, so it has no template for that.
    """

    def __init__(
        self, compiled: _Compiled, notification: Notification, data: Data, now: datetime, link: str, token: str
    ) -> None:
        self._compiled = compiled
        self._data = data
        self._now = now
        self._own_links: dict[bool, str] = {}
        self.notification = notification
        self.is_firing = data.status == "firing"
        self.link = link
        """Where people see the incident; Tocsin itself where there is none."""
        self.acknowledge_link = data.acknowledge_url
        """Where whoever is told acknowledges; empty where nothing can be."""
        self.token = token
        """What that link proves itself by."""

    def text(self, template: str) -> str:
        """The template's text.

        Raises:
            RejectedError: It cannot be rendered for this notification.
        """
        return self._render(template, is_html=False)

    def html(self, template: str) -> str:
        """The same as HTML, in which nothing that comes from an alert is markup."""
        return self._render(template, is_html=True)

    def secret(self, template: str, setting: str) -> str:
        """The text of a template that is a secret; no error repeats any of it."""
        try:
            return self.text(template)
        except TemplateError:
            failure = RejectedError(f"{setting} is a template that cannot be rendered for this notification")
        raise failure

    def data(self, template: str) -> Any:
        """What a JSON text becomes whose every text is a template that may in turn render lists, objects and numbers.

        Alertmanager reads what was rendered as YAML, and the texts in it as templates again; so an alert that says
        `disk: full` becomes an object there, and one that holds `{{` is run.  Here only what is JSON, or a list or
        an object in YAML's flow style, is more than a text, and what came from an alert is never a template.

        Source: `DeepCopyWithTemplate` in Alertmanager 0.34, template/template.go.
        """
        return self._fill(msgspec.json.decode(template))

    def _fill(self, value: Any) -> Any:
        match value:
            case str():
                return _read(self.text(value)) if "{{" in value else value
            case dict():
                return {self.text(name): self._fill(inner) for name, inner in value.items()}
            case list():
                return [self._fill(inner) for inner in value]
            case _:
                return value

    def _render(self, template: str, *, is_html: bool) -> str:
        if "{{" not in template:
            return template
        text = self._compiled.get(template, is_html=is_html).render(self._data, self._now)
        own = self._own_link(is_html=is_html)
        return text.replace(own, self._incident_link(is_html=is_html)) if own in text else text

    def _own_link(self, *, is_html: bool) -> str:
        """How a link to Alertmanager's page of alerts looks, unless the configuration has its own idea of one."""
        if is_html not in self._own_links:
            template = f'<a href="{_PAGE_OF_ALERTS}">' if is_html else _PAGE_OF_ALERTS
            self._own_links[is_html] = _defaults().get(template, is_html=is_html).render(self._data, self._now)
        return self._own_links[is_html]

    def _incident_link(self, *, is_html: bool) -> str:
        return f'<a href="{html.escape(self.link)}">' if is_html else self.link


class Renderer:
    """Makes pages; keeps what it compiled for as long as the template files stay the same."""

    def __init__(self, external_url: str, clock: Callable[[], datetime], links: Links | None = None) -> None:
        self._external_url = external_url
        self._clock = clock
        self._links = links or Links(external_url, None, clock)
        self._compiled: dict[Templates, _Compiled] = {}

    def page(self, notification: Notification, incident: str, templates: Templates, max_alerts: int = 0) -> Page:
        """The page of a notification, about its first `max_alerts` alerts (0 for all); `incident` may be empty."""
        compiled = self._compiled.get(templates)
        if compiled is None:
            if len(self._compiled) >= _KEPT_SETS:
                self._compiled.clear()
            compiled = self._compiled[templates] = _Compiled(templates)
        is_firing = any(told.is_firing for told in notification.alerts)
        token = self._links.invite(incident, notification.receiver) if is_firing else ""
        data = template_data(notification, self._external_url, max_alerts, self._links.address(token))
        link = self._external_url.rstrip("/")
        if incident:
            link += f"/incidents/{quote(incident, safe='')}"
        return Page(compiled, notification, data, self._clock(), link, token)


def shortened(text: str, longest: int) -> str:
    """The text, cut to so many characters, the last of which then says that it was."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _read(text: str) -> Any:
    """The JSON value that the text spells, or the list or object in YAML; else the text itself."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        problems = Problems()
        document = read_document(text, problems) if text.lstrip()[:1] in ("[", "{") else None
        value = document.data() if document else text
        return text if problems.in_order() else value
    return text if isinstance(value, str) else value


@cache
def _defaults() -> _Compiled:
    """Alertmanager's own templates; made with the first page, for reading them takes as long as importing much else."""
    return _Compiled(())
