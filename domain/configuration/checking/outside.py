"""Outside: what a configuration names that lies elsewhere, for whoever can look whether it is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from domain.configuration import Configuration
from domain.configuration.checking.findings import Finding, note, warning
from domain.configuration.patterns import split_pattern
from domain.yaml_document import Field, Problems, read_document

_VARIABLE = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")

# Below these anything may be called anything.
_FREE = re.compile(r"\.(?:payload|details|http_headers)\b")


class Kind(StrEnum):
    """What lies outside."""

    TEMPLATE = "template"
    """A template file that is named without a pattern; its path is relative to the folder of the configuration."""
    FILE = "file"
    """What a `*_file` names: read at each use."""
    VARIABLE = "variable"
    """What `${env:NAME}` names: read at each use."""


@dataclass(frozen=True, slots=True)
class Outside:
    """One thing that is named."""

    kind: Kind
    name: str
    field: Field

    def missing(self) -> Finding:
        """What to say when it is not there.  A secret may well be only where Tocsin runs, so that is but a note."""
        match self.kind:
            case Kind.TEMPLATE:
                message = f"there is no file {self.name}; correct the path, or remove it"
                return warning(self.field, "missing-template", message)
            case Kind.FILE:
                message = f"there is no file {self.name} on this machine; Tocsin reads it at each use"
                return note(self.field, "missing-file", message)
            case Kind.VARIABLE:
                message = f"environment variable {self.name} is not set here; Tocsin reads it at each use"
                return note(self.field, "unset-variable", message)


def find_outside(configuration: Configuration) -> Iterator[Outside]:
    """The template files, other files and environment variables that it names, in its order."""
    document = read_document(configuration.original, Problems())
    if document is None:
        raise ValueError("not the text of a configuration")
    section = document.section()
    for item in section.take("templates").items():
        if item.text() and all(isinstance(step, str) for step in split_pattern(item.text())):
            yield Outside(Kind.TEMPLATE, item.text(), item)
    for part in (section.take("global"), section.take("receivers")):
        for field in part.texts():
            if _FREE.search(field.key):
                continue
            if field.key.endswith("_file") and field.text():
                yield Outside(Kind.FILE, field.text(), field)
            elif found := _VARIABLE.fullmatch(field.text()):
                yield Outside(Kind.VARIABLE, found[1], field)
