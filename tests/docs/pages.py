"""Pages: what the documentation holds, read as Markdown is: links, headings, blocks, and the marks before blocks.

A mark is an HTML comment, which readers do not see, right before the block that it is about:

    <!-- run -->                          its commands are run, in order, against a Tocsin that runs
    <!-- run: 3f2a is $ID -->             the same, with what stands there in the place of an example
    <!-- run: each until ready -->        each command is a server: it must become ready, and end when told to
    <!-- not run: REASON -->              it is not, and the test says why
    <!-- file: tocsin.yml -->             the block is this file; a configuration must be one that is taken

Two more stand by themselves:

    <!-- given: COMMANDS -->              what a reader has by now, and the page does not show; may have several lines
    <!-- serve: --auth -->                how the page's Tocsin is started; without it, as plainly as can be
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]

FOLDERS = ("docs", "examples")
FILES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "bench/README.md")

_MARK = re.compile(r"<!--\s*(?P<kind>run|not run|file|given|serve)(?::\s*(?P<rest>.*?))?\s*-->", re.DOTALL)
_ID = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")


@dataclass(frozen=True, slots=True)
class Mark:
    """What a comment says about the block after it, or about the page."""

    kind: str
    rest: str
    line: int


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code between fences; an indented one has the language `indented`."""

    language: str
    text: str
    line: int
    mark: Mark | None


@dataclass(frozen=True)
class Page:
    """One page, as far as something in it can be wrong."""

    path: Path
    steps: tuple[Mark | Block, ...]
    """Blocks, each with its mark, and the marks that stand by themselves, in order."""
    links: tuple[tuple[int, str], ...]
    """Each with the line that its paragraph begins in."""
    anchors: frozenset[str]
    codes: tuple[tuple[int, str], ...]
    """What stands between backticks."""

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def blocks(self) -> Iterator[Block]:
        return (step for step in self.steps if isinstance(step, Block))


def all_pages() -> list[Path]:
    """Every page that there is, in order."""
    found = [ROOT / name for name in FILES if (ROOT / name).is_file()]
    return found + [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.md"))]


@cache
def read_page(path: Path) -> Page:
    """Read it; the text is Markdown as GitHub shows it, with tables."""
    return parse_page(path, path.read_text(encoding="utf-8"))


def parse_page(path: Path, text: str) -> Page:
    """What the text holds; a mark that is followed by no block stays a step of its own."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    steps: list[Mark | Block] = []
    links: list[tuple[int, str]] = []
    anchors: list[str] = []
    codes: list[tuple[int, str]] = []
    waiting: Mark | None = None
    for token, before in zip(tokens, [None, *tokens], strict=False):
        line = token.map[0] + 1 if token.map else 0
        if token.type in ("fence", "code_block"):
            language = token.info.strip() if token.type == "fence" else "indented"
            steps.append(Block(language, token.content, line, waiting))
            waiting = None
            continue
        if waiting is not None:
            steps.append(waiting)
            waiting = None
        if token.type == "html_block":
            found = _marks(token.content, line)
            steps += found[:-1]
            waiting = found[-1] if found else None
            anchors += _ID.findall(token.content)
        elif token.type == "inline":
            children = token.children or []
            links += [(line, str(target)) for child in children if (target := _target(child))]
            codes += [(line, child.content) for child in children if child.type == "code_inline"]
            anchors += [
                name for child in children if child.type == "html_inline" for name in _ID.findall(child.content)
            ]
            if before is not None and before.type == "heading_open":
                anchors.append(_slug(children))
    if waiting is not None:
        steps.append(waiting)
    return Page(path, tuple(steps), tuple(links), frozenset(_numbered(anchors)), tuple(codes))


def _marks(text: str, line: int) -> list[Mark]:
    return [
        Mark(found["kind"], (found["rest"] or "").strip(), line + text[: found.start()].count("\n"))
        for found in _MARK.finditer(text)
    ]


def _target(token: Token) -> str | None:
    if token.type == "link_open":
        return str(token.attrs.get("href", ""))
    return str(token.attrs.get("src", "")) if token.type == "image" else None


def _slug(children: list[Token]) -> str:
    """The anchor that GitHub gives a heading: lower case, no punctuation, hyphens for blanks."""
    text = "".join(child.content for child in children if child.type in ("text", "code_inline"))
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")


def _numbered(slugs: list[str]) -> Iterator[str]:
    """The second heading of one name ends in `-1`, and so on."""
    seen: Counter[str] = Counter()
    for slug in slugs:
        yield f"{slug}-{seen[slug]}" if seen[slug] else slug
        seen[slug] += 1
