"""What the documentation says is so: its links lead somewhere, its files are ones that are taken, its commands work."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from devhost import cli
from tests.docs.pages import FILES, ROOT, Block, Mark, Page, all_pages, parse_page, read_page
from tests.docs.reader import Reader

PAGES = [pytest.param(read_page(path), id=str(path.relative_to(ROOT))) for path in all_pages()]

LANGUAGES = {"sh", "yaml", "json", "csv", "text", "mermaid", "python", "bicep"}
"""Commands are `sh`; what a program prints is `text`."""

CONFIGURATIONS = ("alertmanager.yml", "tocsin.yml")
TOP_LEVEL_KEYS = {"route", "routes", "receivers", "inhibit_rules", "sources", "triage", "compat"}

FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
MADE = {"build"}
"""Made by commands."""
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*/?")

every_page = pytest.mark.parametrize("page", PAGES)


# --- links ------------------------------------------------------------------------------------------------------------


def test_every_page_is_found() -> None:
    pages = {str(path.relative_to(ROOT)) for path in all_pages()}
    assert pages >= {*FILES, "docs/README.md", "docs/decisions/0001-write-behind.md", "examples/README.md"}


@every_page
def test_links_lead_somewhere(page: Page) -> None:
    assert [f"line {line}: {target}" for line, target in page.links if not _leads_somewhere(page, target)] == []


def _leads_somewhere(page: Page, target: str) -> bool:
    if re.match(r"[a-z]+:", target):
        return True
    place, _, anchor = unquote(target).partition("#")
    path = (page.path.parent / place).resolve() if place else page.path
    if not path.exists() or not path.is_relative_to(ROOT):
        return False
    return not anchor or (path.suffix == ".md" and anchor in read_page(path).anchors)


@every_page
def test_files_that_are_named_are_there(page: Page) -> None:
    named = {(line, code) for line, code in page.codes if "/" in code and _PATH.fullmatch(code)}
    inside = sorted((line, code) for line, code in named if code.partition("/")[0] in FOLDERS - MADE)
    assert [f"line {line}: {code}" for line, code in inside if not _is_there(code)] == []


def _is_there(code: str) -> bool:
    """A file or a folder, or a name in a module: `domain/incidents.decide`."""
    return (ROOT / code).exists() or (ROOT / f"{code.rpartition('.')[0]}.py").is_file()


def test_every_page_is_in_the_index() -> None:
    index = read_page(ROOT / "docs" / "README.md")
    listed = {(index.path.parent / target.partition("#")[0]).resolve() for _, target in index.links}
    pages = {path for path in all_pages() if path.is_relative_to(ROOT / "docs") and "decisions" not in path.parts}
    assert pages - {index.path} <= listed


# --- blocks -----------------------------------------------------------------------------------------------------------


@every_page
def test_blocks_say_what_they_are(page: Page) -> None:
    wrong = [f"line {block.line}: {block.language!r}" for block in page.blocks if block.language not in LANGUAGES]
    assert wrong == [], f"give a fenced block one of {', '.join(sorted(LANGUAGES))}"
    unmarked = [block.line for block in page.blocks if block.language == "sh" and not _is_about_commands(block)]
    assert unmarked == [], "a block of commands needs a mark: see tests/docs/pages.py"
    unnamed = [block.line for block in page.blocks if _is_configuration(block) and not block.mark]
    assert unnamed == [], "say which file it is, <!-- file: tocsin.yml -->, so that it is checked"


def _is_about_commands(block: Block) -> bool:
    mark = block.mark
    return mark is not None and (mark.kind == "run" or (mark.kind == "not run" and mark.rest != ""))


def _is_configuration(block: Block) -> bool:
    if block.language != "yaml":
        return False
    value = yaml.safe_load(block.text)
    return isinstance(value, dict) and bool(value.keys() & TOP_LEVEL_KEYS)


@every_page
def test_blocks_can_be_read(page: Page, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [block for block in page.blocks if block.mark and block.mark.kind == "file"]
    # What a configuration names may stand below it.
    for block in sorted(files, key=lambda block: _name(block) in CONFIGURATIONS):
        file = tmp_path / _name(block)
        file.write_text(block.text, encoding="utf-8")
        if file.name in CONFIGURATIONS:
            code = cli.main(["check-config", str(file)])
            assert code == 0, f"line {block.line}: {capsys.readouterr()}"
    for block in page.blocks:
        if block.language == "json":
            json.loads(block.text)
        elif block.language == "yaml":
            yaml.safe_load(block.text)


def _name(block: Block) -> str:
    return block.mark.rest if block.mark else ""


def _runnable(page: Page) -> str:
    return "\n".join(block.text for block in page.blocks if block.mark and block.mark.kind == "run")


RUNNABLE = {page.name: text for page in map(read_page, all_pages()) if (text := _runnable(page))}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", RUNNABLE)
def test_commands_work(name: str, tmp_path: Path, program: Callable[[str], Path]) -> None:
    runnable = RUNNABLE[name]
    for needed in ("amtool", "curl", "jq"):
        if re.search(rf"\b{needed}\b", runnable):
            program(needed)
    with Reader(tmp_path) as reader:
        reader.follow(read_page(ROOT / name))


NOT_RUN = [
    pytest.param(block.mark.rest, id=f"{page.name}:{block.line}")
    for page in map(read_page, all_pages())
    for block in page.blocks
    if block.mark and block.mark.kind == "not run"
]


@pytest.mark.parametrize("reason", NOT_RUN)
def test_commands_that_are_not_run(reason: str) -> None:
    pytest.skip(reason)


# --- the reading itself -----------------------------------------------------------------------------------------------


def parsed(text: str) -> Page:
    return parse_page(ROOT / "docs" / "made-up.md", text)


def test_a_mark_is_the_next_blocks_alone() -> None:
    page = parsed("<!-- run -->\n```sh\na\n```\n\n```sh\nb\n```\n\n<!-- given: c -->\ntext\n")
    assert [block.mark and block.mark.kind for block in page.blocks] == ["run", None]
    assert page.steps[-1] == Mark("given", "c", 10)


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        pytest.param("# What is kept, and replayed", "what-is-kept-and-replayed", id="no punctuation"),
        pytest.param("# `file` in _here_", "file-in-here", id="no markup"),
        pytest.param("# One\n# One", "one-1", id="the second one is numbered"),
        pytest.param('text <a id="there"></a>', "there", id="one's own"),
    ],
)
def test_headings_have_githubs_anchors(heading: str, anchor: str) -> None:
    assert anchor in parsed(heading).anchors


@pytest.mark.parametrize(
    ("target", "leads"),
    [
        pytest.param("api.md", True, id="a page"),
        pytest.param("api.md#lists", True, id="a heading"),
        pytest.param("api.md#nowhere", False, id="no such heading"),
        pytest.param("nowhere.md", False, id="no such page"),
        pytest.param("../tests/", True, id="a folder"),
        pytest.param("../../outside", False, id="outside the repository"),
        pytest.param("https://example.com", True, id="the world is not asked"),
    ],
)
def test_where_a_link_leads(target: str, leads: bool) -> None:
    assert _leads_somewhere(parsed("# Made up"), target) is leads
