"""Configuration files: what of a configuration lies in a file system, read whole."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from domain.configuration.bundle import Bundle, template_patterns
from domain.configuration.own import OwnConfiguration, read_own_configuration
from domain.configuration.own_enriching import lookup_files
from domain.configuration.patterns import split_pattern
from domain.errors import RejectedError

OWN_NAME = "tocsin.yml"


def read_files(file: Path) -> Bundle:
    """An `alertmanager.yml` and the template files that it names, relative to its folder; it may be wrong otherwise.

    Raises:
        RejectedError: One of them cannot be read.
    """
    text = read_text(file)
    return Bundle(text, read_templates_of(text, file.parent))


def read_templates_of(text: str, folder: Path) -> tuple[tuple[str, str], ...]:
    """The template files that this text of an `alertmanager.yml` names, in the order in which it names them.

    Each is called by its path as the pattern has it: relative to the folder, or absolute.

    Raises:
        RejectedError: One of them cannot be read; a pattern that matches none is fine.
    """
    names = [name for pattern in template_patterns(text) for name in _expand(pattern, folder)]
    return tuple((name, read_text(folder / name)) for name in dict.fromkeys(names))


def read_own(file: Path) -> OwnConfiguration:
    """What a `tocsin.yml` says, with the tables that it names, relative to its folder; so are other paths in it.

    Raises:
        RejectedError: It cannot be read, or it is wrong.
    """
    text = read_text(file)
    tables = tuple([(name, _read_table(file.parent / name)) for name in lookup_files(text)])
    paths = _look_for(text, file.parent) if "triage" in text else ()
    return _located(_own(text, str(file), tables, paths), file.parent.absolute())


def _look_for(text: str, folder: Path) -> tuple[tuple[str, str], ...]:
    """What is wrong with the paths that the section `triage` names."""
    from domain.configuration.own_triage import FOLDER, named_paths

    found = []
    for kind, name in named_paths(text):
        path = folder / name
        if not (path.is_dir() if kind == FOLDER else path.is_file()):
            found.append((name, f"{path} is no {kind}" if path.exists() else f"there is no {path}"))
    return tuple(found)


def _located(own: OwnConfiguration, folder: Path) -> OwnConfiguration:
    """The same with absolute paths in the section `triage`."""
    rules = own.triage_section
    if rules is None or not (rules.runbooks.folder or rules.prometheus.bearer_token_file):
        return own
    runbooks, prometheus = rules.runbooks, rules.prometheus
    if runbooks.folder:
        runbooks = replace(runbooks, folder=str(folder / runbooks.folder))
    if prometheus.bearer_token_file:
        prometheus = replace(prometheus, bearer_token_file=str(folder / prometheus.bearer_token_file))
    return replace(own, triage_section=replace(rules, runbooks=runbooks, prometheus=prometheus))


# Read again every few seconds, to see whether it has changed; a large table takes a while.
@lru_cache(maxsize=2)
def _own(
    text: str, name: str, tables: tuple[tuple[str, str | RejectedError], ...], paths: tuple[tuple[str, str], ...]
) -> OwnConfiguration:
    faults = {path: RejectedError(fault) for path, fault in paths}
    return read_own_configuration(text, name=name, files=dict(tables), paths=faults)


def _read_table(file: Path) -> str | RejectedError:
    """The text of a table; what keeps it from being read is said where the configuration names it."""
    try:
        return read_text(file)
    except RejectedError as error:
        return error


def own_beside(configuration: Path | None) -> Path | None:
    """The `tocsin.yml` in the folder of this `alertmanager.yml`, if there is one."""
    own = configuration.parent / OWN_NAME if configuration is not None else None
    return own if own is not None and own.exists() else None


def read_text(file: Path) -> str:
    """The text of a file in UTF-8, its line ends as they are.

    Raises:
        RejectedError: It cannot be read.
    """
    try:
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise RejectedError(f"{file} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise RejectedError(f"{file} is not UTF-8: {error.reason} at byte {error.start}") from error


def _expand(pattern: str, folder: Path) -> list[str]:
    """The paths that match, sorted; what cannot be looked into has none."""
    found = [""]
    for step in split_pattern(pattern):
        if isinstance(step, str):
            longer = (str(Path(name, step)) for name in found)
            found = [name for name in longer if (folder / name).exists(follow_symlinks=False)]
        else:
            found = [
                str(Path(name, entry)) for name in found for entry in _entries(folder / name) if step.fullmatch(entry)
            ]
    return sorted(found)


def _entries(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError:
        return []
