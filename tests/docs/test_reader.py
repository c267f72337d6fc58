"""The reader of pages notices what a person would, and goes on in one terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import ROOT, parse_page
from tests.docs.reader import Reader


def follow(folder: Path, *blocks: str) -> None:
    text = "\n".join(f"<!-- run -->\n```sh\n{block}\n```\n" for block in blocks)
    with Reader(folder) as reader:
        reader.follow(parse_page(ROOT / "docs" / "made-up.md", text))


def test_one_block_has_what_another_one_made(tmp_path: Path) -> None:
    follow(tmp_path, "HERE=there; export GIVEN=away; echo left > file", 'test "$HERE$GIVEN$(cat file)" = thereawayleft')


def test_the_home_is_the_pages_own(tmp_path: Path) -> None:
    follow(tmp_path, 'test "$HOME" = "$PWD"', "tocsin incidents list")


@pytest.mark.parametrize(
    ("command", "noticed"),
    [
        pytest.param("false\ntrue", "exit code 1", id="a command in the middle that fails"),
        pytest.param('echo "$NOBODY_SET_THIS"', "unbound variable", id="a variable that nobody has set"),
        pytest.param("tocsin incidents show 12345", "12345", id="what Tocsin refuses"),
    ],
)
def test_a_failure_is_noticed(command: str, noticed: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=noticed):
        follow(tmp_path, command)


@pytest.mark.parametrize(
    ("command", "noticed"),
    [
        pytest.param("curl localhost:7071/api/v1/nothing", "404", id="an error of the API"),
        pytest.param("curl https://example.com", "127.0.0.1 port 9", id="the world outside"),
    ],
)
@pytest.mark.needs("curl")
def test_curls_failures_are_noticed(command: str, noticed: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=noticed):
        follow(tmp_path, command)


def test_a_mark_replaces_what_is_there(tmp_path: Path) -> None:
    text = "<!-- run: EXAMPLE is real -->\n```sh\ntest EXEMPLAR = real\n```\n"
    with Reader(tmp_path) as reader, pytest.raises(AssertionError, match="EXAMPLE"):
        reader.follow(parse_page(ROOT / "docs" / "made-up.md", text))
