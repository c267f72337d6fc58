"""The reader of `mapping` in a `tocsin.yml`: where the parts of an alert stand in JSON of any shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from domain.errors import RejectedError
from domain.labels import is_valid_label_name
from domain.quoting import quote
from domain.yaml_document import Field

if TYPE_CHECKING:
    from domain.sources.generic import Choice, JsonMapping


def read_mapping(field: Field) -> JsonMapping | None:
    """The mapping; None where none stands."""
    if field.is_absent:
        return None
    # Only who has a mapping needs the library for its expressions.
    from domain.sources.generic import JsonMapping

    section = field.section()
    alerts = section.take("alerts")
    severity, status = section.take("severity"), section.take("status")
    firing, resolved = section.take("firing"), section.take("resolved")
    name, labels = section.take("name"), section.take("labels")
    mapping = JsonMapping(
        alerts=next(iter(_read_choice(alerts)), None),
        name=_read_choice(name),
        status=_read_choice(status),
        firing=_read_words(firing),
        resolved=_read_words(resolved),
        severity=_read_choice(severity),
        title=_read_choice(section.take("title")),
        description=_read_choice(section.take("description")),
        labels=_read_choices(labels),
        annotations=_read_choices(section.take("annotations")),
        starts_at=_read_choice(section.take("starts_at")),
        ends_at=_read_choice(section.take("ends_at")),
        url=_read_choice(section.take("url")),
    )
    section.close()
    if alerts.is_list:
        alerts.refuse("expected one expression")
    if name.is_absent and labels.is_empty:
        field.refuse("expected `name` or `labels`: without both no two alerts can be told apart")
    if not (firing.is_absent and resolved.is_absent) and status.is_absent:
        status.refuse("expected an expression, as there are words for what it finds")
    for word in sorted(mapping.firing & mapping.resolved):
        resolved.refuse(f"{quote(word)} is under `firing` too")
    if mapping.severity and {one.text for one in mapping.severity} & {one.text for one in mapping.status}:
        severity.refuse(
            "it is made of what tells the status: the severity is a label, and with another one a resolve closes "
            "nothing; map it under `annotations`"
        )
    return mapping


def _read_choice(field: Field) -> Choice:
    """One expression, or a list of which the first that finds something counts."""
    from domain.sources.generic import Expression

    if field.is_absent:
        return ()
    found = []
    for item in field.items() if field.is_list else [field]:
        text = item.text().strip()
        if not text:
            item.refuse("expected a JMESPath expression")
            continue
        try:
            found.append(Expression(text))
        except RejectedError as error:
            item.refuse(str(error))
    return tuple(found)


def _read_choices(field: Field) -> Mapping[str, Choice] | Choice:
    """Expressions by the names of labels or annotations; or one that finds an object of all."""
    if not field.is_mapping:
        return _read_choice(field)
    choices = {}
    for name, value in field.fields():
        if not is_valid_label_name(name):
            value.refuse_key(f"invalid label name {quote(name)}")
        choices[name] = _read_choice(value)
        if value.is_absent:
            value.refuse("expected a JMESPath expression")
    return choices


def _read_words(field: Field) -> frozenset[str]:
    if field.is_absent:
        return frozenset()
    items = field.items() if field.is_list else [field]
    return frozenset([item.text().strip().lower() for item in items])
