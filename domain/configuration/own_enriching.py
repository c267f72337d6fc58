"""The reader of what a `tocsin.yml` says of enrichment: `severities`, `extract` and `lookup` of a source."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO

from domain.configuration.fields import read_labels
from domain.errors import RejectedError
from domain.labels import is_valid_label_name
from domain.quoting import quote
from domain.sources.enriching import (
    ANY,
    MOST_EXTRACTIONS,
    MOST_LOOKUPS,
    MOST_OPEN_ROWS,
    MOST_ROWS,
    Extraction,
    Into,
    Lookup,
    Row,
)
from domain.sources.reading import SEVERITIES
from domain.yaml_document import Field, Problems, Section, read_document

type Files = Mapping[str, str | RejectedError]
"""The text of each file that a `tocsin.yml` names, by that name; or why it could not be read."""

_LONGEST_CELL = 10_000


def lookup_files(text: str) -> tuple[str, ...]:
    """Which files a `tocsin.yml` wants beside it; of a text that is wrong, as many as can be understood."""
    # The complaints are those of whoever reads the whole of it.
    document = read_document(text, Problems())
    names: dict[str, None] = {}
    for source in document.section().take("sources").items() if document else ():
        for lookup in source.section().take("lookup").items():
            if name := lookup.section().take("file").text():
                names[name] = None
    return tuple(names)


# --- severities -----------------------------------------------------------------------------------------------------


def read_severities(field: Field) -> dict[str, str]:
    """What is made of a sender's words, which are in lower case here, however they are written there."""
    severities: dict[str, str] = {}
    for word, value in field.fields():
        ours, spelt = value.text(), word.strip().lower()
        if ours not in SEVERITIES:
            value.refuse(f"{quote(ours)} is none of {', '.join(SEVERITIES)}")
        if spelt in severities:
            value.refuse_key(f"{quote(spelt)} is there already: capitals do not count")
        severities[spelt] = ours
    return severities


# --- extractions ----------------------------------------------------------------------------------------------------


def read_extractions(field: Field) -> tuple[Extraction, ...]:
    """The list `extract`, in its order."""
    items = field.items()
    if len(items) > MOST_EXTRACTIONS:
        field.refuse(f"{len(items)} are too many: at most {MOST_EXTRACTIONS}")
        return ()
    found = [_read_extraction(item, place) for place, item in enumerate(items)]
    return tuple([extraction for extraction in found if extraction is not None])


def _read_extraction(field: Field, place: int) -> Extraction | None:
    section = field.section()
    label, annotation = section.take("label"), section.take("annotation")
    pattern = section.take("pattern")
    into_field = section.take("into")
    override = section.take("override").flag(False)
    section.close()
    if label.is_absent == annotation.is_absent:
        field.refuse("expected either `label` or `annotation`: what is read")
        return None
    source = annotation if label.is_absent else label
    origin: Into = "annotations" if label.is_absent else "labels"
    if not is_valid_label_name(source.text()):
        source.refuse(f"invalid name {quote(source.text())}")
        return None
    into = _read_into(into_field, origin)
    if pattern.is_absent:
        pattern.refuse("expected a regular expression with named groups")
        return None
    try:
        return Extraction(origin, source.text(), pattern.text(), into, override, f"extract[{place}]")
    except RejectedError as error:
        (into_field if origin == "annotations" and into == "labels" else pattern).refuse(str(error))
        return None


def _read_into(field: Field, default: Into) -> Into:
    match field.scalar():
        case None:
            return default
        case "labels":
            return "labels"
        case "annotations":
            return "annotations"
        case text:
            field.refuse(f"{quote(text)} is neither labels nor annotations")
            return default


# --- lookups --------------------------------------------------------------------------------------------------------


def read_lookups(field: Field, files: Files) -> tuple[Lookup, ...]:
    """The list `lookup`, in its order; the tables in files are taken from `files`."""
    items = field.items()
    if len(items) > MOST_LOOKUPS:
        field.refuse(f"{len(items)} are too many: at most {MOST_LOOKUPS}")
        return ()
    found = [_read_lookup(item, place, files) for place, item in enumerate(items)]
    return tuple([lookup for lookup in found if lookup is not None])


@dataclass(frozen=True, slots=True)
class _Table:
    """Cells by the names of their columns, and what to call each row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, Mapping[str, str]], ...]


def _read_lookup(field: Field, place: int, files: Files) -> Lookup | None:
    section = field.section()
    match = _read_names(section.take("match"))
    label_field = section.take("labels")
    labels = _read_names(label_field)
    default = _read_row(section.take("default"))
    override = section.take("override").flag(False)
    name, table_field, table = _read_table(section, field, place, match, files)
    section.close()
    if not match:
        field.refuse("expected `match`: one label, or a list of them, to look up")
        return None
    if table is None:
        return None
    for column in match:
        if column not in table.columns:
            table_field.refuse(f"no column {quote(column)}, which is matched")
    for column in labels:
        if column not in table.columns and column not in default:
            label_field.refuse(f"no column {quote(column)}")
        elif column in match:
            label_field.refuse(f"{quote(column)} is matched already, and so is what it says")
    for column in table.columns:
        if not is_valid_label_name(column):
            table_field.refuse(f"invalid name of a column: {quote(column)}")
    rows = tuple([_row(where, cells, match, labels) for where, cells in table.rows])
    if sum(ANY in row.match for row in rows) > MOST_OPEN_ROWS:
        table_field.refuse(f"more than {MOST_OPEN_ROWS} rows with {ANY}: each of them is tried for each alert")
        return None
    fallback = _row("", default, (), labels) if default else None
    return Lookup(name, match, rows, fallback, override)


def _row(where: str, cells: Mapping[str, str], match: Sequence[str], labels: Sequence[str]) -> Row:
    rest = {name: text for name, text in cells.items() if text and name not in match}
    return Row(
        match=tuple([cells.get(name, "") for name in match]),
        labels={name: text for name, text in rest.items() if name in labels},
        annotations={name: text for name, text in rest.items() if name not in labels},
        place=where,
    )


def _read_names(field: Field) -> tuple[str, ...]:
    """A name, or a list of them; each once."""
    if field.is_absent:
        return ()
    items = field.items() if field.is_list else [field]
    names: dict[str, None] = {}
    for item in items:
        if not is_valid_label_name(item.text()):
            item.refuse(f"invalid label name {quote(item.text())}")
        names[item.text()] = None
    return tuple(names)


def _read_row(field: Field) -> dict[str, str]:
    return {name: text.strip() for name, text in read_labels(field).items()}


def _read_table(
    section: Section, field: Field, place: int, match: Sequence[str], files: Files
) -> tuple[str, Field, _Table | None]:
    """What the table is called, where complaints about it go, and the table where it can be read."""
    file, rows = section.take("file"), section.take("rows")
    if file.is_absent == rows.is_absent:
        field.refuse("expected either `file`, a CSV file, or `rows`")
        return "", field, None
    if rows.is_absent:
        name = file.text()
        text = files.get(name)
        if text is None:
            file.refuse("not read: there is no folder in which it could lie")
            return name, file, None
        if isinstance(text, RejectedError):
            file.refuse(str(text))
            return name, file, None
        try:
            return f"lookup {name}", file, _read_csv(name, text)
        except ValueError as error:
            file.refuse(str(error))
            return name, file, None
    if rows.is_mapping and len(match) == 1:
        # The short form: what the label says, and what that means.
        found = tuple([(f"rows.{key}", {match[0]: key.strip(), **_read_row(item)}) for key, item in rows.fields()])
    else:
        found = tuple([(f"rows[{number}]", _read_row(item)) for number, item in enumerate(rows.items())])
    columns = dict.fromkeys(name for _, cells in found for name in cells)
    if len(found) > MOST_ROWS:
        rows.refuse(f"{len(found)} are too many: at most {MOST_ROWS}")
        return "", rows, None
    return f"lookup[{place}]", rows, _Table(tuple(columns), found)


def _read_csv(name: str, text: str) -> _Table:
    """The table in a CSV file as spreadsheets write it: a line of names, then one for each row; blanks count nowhere.

    Raises:
        ValueError: It is none; the error names the file and the line.
    """
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    columns: tuple[str, ...] = ()
    rows: list[tuple[str, Mapping[str, str]]] = []
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if not any(stripped):
                continue
            where = f"{name}:{reader.line_num}"
            if not columns:
                columns = tuple(stripped)
                if len(set(columns)) < len(columns):
                    raise ValueError(f"{where}: two columns have one name")
                continue
            if len(stripped) != len(columns):
                raise ValueError(f"{where}: {len(columns)} cells expected, as in the first line; {len(stripped)} found")
            if any(len(cell) > _LONGEST_CELL for cell in stripped):
                raise ValueError(f"{where}: a cell is longer than {_LONGEST_CELL} characters")
            if len(rows) >= MOST_ROWS:
                raise ValueError(f"{where}: more than {MOST_ROWS} rows")
            rows.append((f"line {reader.line_num}", dict(zip(columns, stripped, strict=True))))
    except csv.Error as error:
        raise ValueError(f"{name}:{reader.line_num}: {error}") from None
    if not columns:
        raise ValueError(f"{name} is empty: a line with the names of its columns is expected")
    return _Table(columns, tuple(rows))
