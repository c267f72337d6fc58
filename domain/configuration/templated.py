"""Templated texts in a configuration: kept as they are written, once they are known to compile."""

from __future__ import annotations

import json
from collections.abc import Callable

from domain.configuration.integrations import Secret
from domain.templates import TemplateError, TemplateSet
from domain.yaml_document import Field

type Check = Callable[[str, bool], str | None]
"""What is wrong with a template, which is one of HTML or not; None when all is well."""


class TemplateReader:
    """Reads fields whose texts are templates, and complains at their place about those that do not compile."""

    def __init__(self, check: Check) -> None:
        self._check = check

    def text(self, field: Field, default: str = "", *, is_html: bool = False) -> str:
        """The text; the default where nothing stands, which an empty text is not."""
        text = field.scalar()
        if text is None:
            return default
        self._complain(field, text, is_html=is_html)
        return text

    def required(self, field: Field, message: str) -> str:
        """The text, with a complaint where none stands."""
        text = self.text(field)
        if not text:
            field.refuse(message)
        return text

    def secret(self, field: Field, secret: Secret | None) -> Secret | None:
        """The secret that was read from this field, once more; what a file or a variable holds is seen at its use."""
        if secret is not None and secret.value:
            self._complain(field, secret.value, is_html=False)
        return secret

    def data(self, field: Field) -> object:
        """What stands here, however deep, with every text in it a template."""
        for leaf in field.texts():
            self._complain(leaf, leaf.text(), is_html=False)
        return field.data()

    def _complain(self, field: Field, text: str, *, is_html: bool) -> None:
        if "{{" in text and (problem := self._check(text, is_html)):
            field.refuse(problem)


def to_json(data: object) -> str:
    """The data as a text, so that an integration that holds it stays a hashable value."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def template_check(templates: TemplateSet) -> Check:
    """Compiles a text with these templates to say what is wrong with it."""

    def check(text: str, is_html: bool) -> str | None:
        try:
            templates.compile(text, name="", html=is_html)
        except TemplateError as error:
            if error.place.name:  # in a template that it calls
                return str(error)
            return f"line {error.place.line}, column {error.place.column} of the template: {error.problem}"
        return None

    return check
