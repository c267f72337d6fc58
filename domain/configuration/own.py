"""The reader of `tocsin.yml`: what Tocsin has beyond Alertmanager, beside the file that other tools read as well."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, cast, get_args

from domain.configuration.own_enriching import Files
from domain.configuration.own_receivers import ReceiverExtras, read_receiver_extras
from domain.configuration.own_sources import NO_FILES, read_sources
from domain.errors import ConfigurationError
from domain.quoting import quote
from domain.sources.definitions import Sources
from domain.yaml_document import Field, Problems, read_document

# With these comes all of triage, which a process that folds and delivers does not need.
if TYPE_CHECKING:
    from domain.configuration.own_triage import Paths
    from domain.triage.rules import TriageRules

NO_PATHS: Paths = MappingProxyType({})

type Compat = Literal["mended", "strict"]


@dataclass(frozen=True, slots=True)
class OwnConfiguration:
    """What a `tocsin.yml` says, once it is known to be right."""

    compat: Compat | None = None
    """`strict` follows Alertmanager exactly, its known defects included; None where the file does not say."""
    sources: Sources = field(default_factory=Sources)
    """Who sends alerts in a form of their own."""
    receivers: ReceiverExtras = field(default_factory=ReceiverExtras)
    """What Alertmanager's file has no words for."""
    triage_section: TriageRules | None = None
    """What the section `triage` says; None where there is none.  Whoever wants the rules asks for `triage`."""

    @property
    def triage(self) -> TriageRules:
        """What the first look at an incident may use and spend; the default where the file does not say."""
        from domain.triage.rules import TriageRules

        return self.triage_section or TriageRules()


def read_own_configuration(
    text: str, *, name: str = "tocsin.yml", files: Files = NO_FILES, paths: Paths = NO_PATHS
) -> OwnConfiguration:
    """What the text of a `tocsin.yml` says; an empty one says nothing, and that is fine.

    Args:
        text: The whole file.
        name: What complaints call it.
        files: The text of each of its `lookup_files`, or why it cannot be read.
        paths: Of the paths that its section `triage` names (`own_triage.named_paths`), those that cannot be used.

    Raises:
        ConfigurationError: It is not YAML, or says something that nobody would read.
    """
    problems = Problems()
    document = read_document(text, problems)
    configuration = _read_document(document, files, paths) if document else OwnConfiguration()
    if found := problems.in_order():
        raise ConfigurationError(name, found)
    return configuration


def _read_document(document: Field, files: Files, paths: Paths) -> OwnConfiguration:
    section = document.section()
    configuration = OwnConfiguration(
        compat=_read_compat(section.take("compat")),
        sources=read_sources(section.take("sources"), files),
        receivers=read_receiver_extras(section.take("receivers")),
        triage_section=_read_triage(section.take("triage"), paths),
    )
    section.close()
    return configuration


def _read_triage(field: Field, paths: Paths) -> TriageRules | None:
    if field.is_absent:
        return None
    from domain.configuration.own_triage import read_triage

    return read_triage(field, paths)


def _read_compat(field: Field) -> Compat | None:
    text = field.scalar()
    if text is None:
        return None
    choices = get_args(Compat.__value__)
    if text not in choices:
        field.refuse(f"{quote(text)} is neither {' nor '.join(choices)}")
        return None
    return cast(Compat, text)
