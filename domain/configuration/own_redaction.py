"""The reader of `redact` of a source in a `tocsin.yml`: what is not kept of its payloads."""

from __future__ import annotations

from domain.errors import RejectedError
from domain.sources.paths import parse_path
from domain.sources.redaction import MOST_PATHS
from domain.yaml_document import Field


def read_redacted(field: Field) -> tuple[str, ...]:
    """The paths, in the order of the file; none where nothing stands."""
    paths: list[str] = []
    for item in field.items():
        text = item.scalar()
        if text is None:
            continue
        try:
            parse_path(text)
        except RejectedError as error:
            item.refuse(str(error))
            continue
        paths.append(text)
    if len(paths) > MOST_PATHS:
        field.refuse(f"{len(paths)} paths are too many: at most {MOST_PATHS}, and $..name finds a name at any depth")
    return tuple(paths)
