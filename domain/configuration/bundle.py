"""Bundle: a configuration whole, as it is stored and hashed: the text of its `alertmanager.yml` and its template files.

A version must be whole without a file system (rule 12 of the design), and so carries the files that it names.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

from domain.configuration.patterns import split_pattern
from domain.yaml_document import Field, Problems, read_document

type Templates = tuple[tuple[str, str], ...]
"""The name and the text of each template file; of two definitions of one name, the later one counts."""

_BEGIN = '{"configuration": '
"""How a document with templates begins; a text that can be a configuration never does."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """The text of an `alertmanager.yml`, and of the template files that it names."""

    text: str = field(repr=False)
    templates: Templates = field(default=(), repr=False)

    @property
    def document(self) -> str:
        """What is stored: the text itself where there are no templates, a JSON object of both where there are."""
        if not self.templates:
            return self.text
        return json.dumps({"configuration": self.text, "templates": [list(pair) for pair in self.templates]})

    @property
    def version(self) -> str:
        """What the same files always have in common, and no others: see `version_of`."""
        return version_of(self.document)


def read_bundle(document: str) -> Bundle:
    """The bundle that was stored as this document, also before there were templates."""
    if not document.startswith(_BEGIN):
        return Bundle(document)
    stored = json.loads(document)
    return Bundle(stored["configuration"], tuple((name, text) for name, text in stored["templates"]))


def version_of(document: str) -> str:
    """The version of the configuration in this document: the first sixteen hexadecimal digits of its hash."""
    return blake2b(document.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


@lru_cache(maxsize=4)
def template_patterns(text: str) -> tuple[str, ...]:
    """Which files a configuration wants beside it; of a text that is wrong, as many as can be understood."""
    problems = Problems()
    document = read_document(text, problems)
    return read_template_patterns(document.section().take("templates")) if document else ()


def read_template_patterns(field: Field) -> tuple[str, ...]:
    """The patterns under `templates`, each of which may match files or none."""
    patterns = []
    for item in field.items():
        if not (pattern := item.text()):
            continue
        try:
            split_pattern(pattern)
        except ValueError as error:
            item.refuse(str(error))
        else:
            patterns.append(pattern)
    return tuple(patterns)
