"""The reader of the section `sources` of a `tocsin.yml`: who sends alerts, and what is made of them."""

from __future__ import annotations

from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from domain.configuration.fields import read_duration, read_labels
from domain.configuration.own_enriching import Files, read_extractions, read_lookups, read_severities
from domain.configuration.own_generic import read_mapping
from domain.configuration.own_redaction import read_redacted
from domain.configuration.own_verification import read_verification
from domain.quoting import quote
from domain.sources.definitions import ANY_KEY, Source, Sources, key_fault
from domain.sources.registry import KINDS
from domain.yaml_document import Field, Section

if TYPE_CHECKING:
    from domain.sources.generic import JsonMapping

NO_FILES: Files = MappingProxyType({})


def read_sources(field: Field, files: Files = NO_FILES) -> Sources:
    """The definitions, in the order of the file; no two of one address.

    Args:
        field: The section.
        files: The files that it names (`lookup_files`), or why they cannot be read.
    """
    definitions: list[Source] = []
    for item in field.items():
        source = _read_source(item, files)
        if source is None:
            continue
        if any((source.kind, source.key) == (known.kind, known.key) for known in definitions):
            item.refuse(f"{source.kind} with this key is defined above" if source.key else f"{source.kind} is, above")
        definitions.append(source)
    return Sources(tuple(definitions))


def _read_source(field: Field, files: Files) -> Source | None:
    section = field.section()
    kind = section.take("kind")
    key = _read_key(section.take("key"))
    source = Source(
        kind=kind.text(),
        key=key,
        time_to_live=_read_time_to_live(section.take("time_to_live")),
        labels=_read_labels(section),
        annotations=read_labels(section.take("annotations")),
        override=section.take("override").flag(False),
        severities=read_severities(section.take("severities")),
        extractions=read_extractions(section.take("extract")),
        lookups=read_lookups(section.take("lookup"), files),
        mapping=_read_mapping(section.take("mapping"), kind.text()),
        verification=read_verification(section.take("verify")),
        redacted=read_redacted(section.take("redact")),
    )
    section.close()
    if source.kind not in KINDS:
        found = f"{quote(source.kind)} is none" if source.kind else "missing"
        kind.refuse(f"{found}; expected one of {', '.join(KINDS)}")
        return None
    return source


def _read_mapping(field: Field, kind: str) -> JsonMapping | None:
    if kind != "generic" and not field.is_absent:
        field.refuse_key("only kind generic is read by a mapping")
        return None
    return read_mapping(field)


def _read_key(field: Field) -> str:
    text = field.scalar()
    if text is None:
        return ANY_KEY
    if fault := key_fault(text):
        field.refuse(fault)
    return text


def _read_time_to_live(field: Field) -> timedelta | None:
    if field.is_absent:
        return None
    span = read_duration(field, timedelta(0))
    if span <= timedelta(0):
        field.refuse("an alert must fire for some time")
    return span


def _read_labels(section: Section) -> dict[str, str]:
    field = section.take("labels")
    labels = read_labels(field)
    if "alertname" in labels:
        field.refuse("alertname is the alert's own")
    return labels
