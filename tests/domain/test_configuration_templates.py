"""Template files as a part of a configuration: patterns that name them, the version that holds them, complaints."""

from __future__ import annotations

import re

import pytest

from domain.configuration.bundle import Bundle, read_bundle, template_patterns, version_of
from domain.configuration.file import read_configuration
from domain.configuration.patterns import split_pattern
from domain.errors import ConfigurationError
from domain.yaml_document import Problem
from tests.domain.configuring import SMALL

TEXT = SMALL + "templates: ['*.tmpl']\n"
HELLO = ("hello.tmpl", '{{ define "hello" }}hello{{ end }}')
BYE = ("sub/bye.tmpl", '{{ define "bye" }}bye{{ end }}')


# ---- Patterns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        pytest.param("*", "", True, id="* matches nothing"),
        pytest.param("*.tmpl", "slack.tmpl", True, id="* matches anything"),
        pytest.param("*.tmpl", ".tmpl", True, id="* matches what begins with a dot"),
        pytest.param("*.tmpl", "slack.tmpl.bak", False, id="the whole name"),
        pytest.param("a*b*c", "aXbYbZc", True, id="several *"),
        pytest.param("*\n", "a\n", True, id="line feeds are like others"),
        pytest.param("a?c", "abc", True, id="? matches one"),
        pytest.param("a?c", "ac", False, id="? does not match none"),
        pytest.param("a?c", "aöc", True, id="? matches one beyond ASCII"),
        pytest.param("[abc]x", "bx", True, id="one of a class"),
        pytest.param("[abc]x", "dx", False, id="none of a class"),
        pytest.param("[a-c]x", "bx", True, id="in a range"),
        pytest.param("[a-cx-z]", "y", True, id="in another range"),
        pytest.param("[^a-c]x", "dx", True, id="not in a range"),
        pytest.param("[^a-c]x", "bx", False, id="not one of those"),
        pytest.param("[!a]", "!", True, id="! is no negation"),
        pytest.param("[!a]", "b", False, id="nor is it one here"),
        pytest.param(r"[\]]", "]", True, id="an escaped bracket"),
        pytest.param(r"[\^a]", "^", True, id="an escaped circumflex"),
        pytest.param(r"[a\-c]", "-", True, id="an escaped dash"),
        pytest.param(r"[a\-c]", "b", False, id="which is no range"),
        pytest.param("[c-a]", "b", False, id="a range the wrong way round is empty"),
        pytest.param("[^c-a]", "b", True, id="and its opposite is all"),
        pytest.param(r"\*", "*", True, id="an escaped asterisk"),
        pytest.param(r"\*", "a", False, id="which is no pattern"),
        pytest.param(r"\a*", "ab", True, id="an escape without need"),
        pytest.param("(a|b)*", "(a|b)c", True, id="what regular expressions mean otherwise"),
        pytest.param("{a,b}*", "a", False, id="braces are no alternatives"),
        pytest.param("a]*", "a]b", True, id="a bracket that closes nothing"),
    ],
)
def test_patterns(pattern: str, name: str, expected: bool) -> None:
    (step,) = split_pattern(pattern)
    assert isinstance(step, re.Pattern)
    assert bool(step.fullmatch(name)) is expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        pytest.param("a.tmpl", ["a.tmpl"], id="a name"),
        pytest.param("./sub//a.tmpl", ["sub", "a.tmpl"], id="what means nothing is left out"),
        pytest.param("../a.tmpl", ["..", "a.tmpl"], id="the folder above"),
        pytest.param("/etc/a.tmpl", ["/", "etc", "a.tmpl"], id="from the root"),
    ],
)
def test_steps(pattern: str, expected: list[str]) -> None:
    assert split_pattern(pattern) == expected


@pytest.mark.parametrize("pattern", ["[", "[]", "[]a]", "[^]", "[a", "[a-]", "[-a]", "[a-b-c]", "a\\", "[a\\", "x/[/y"])
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(ValueError, match="syntax error in pattern"):
        split_pattern(pattern)


def test_what_a_text_wants_beside_it() -> None:
    assert template_patterns(SMALL) == ()
    assert template_patterns(SMALL + "templates: [a, '', null, '[', '*.tmpl', a]") == ("a", "*.tmpl", "a")


@pytest.mark.parametrize("text", ["", "- a", "templates: {a: b}", "templates: [[a]]", "templates: [a", "templates: *x"])
def test_a_text_that_is_wrong_wants_nothing(text: str) -> None:
    assert template_patterns(text) == ()


# ---- Versions --------------------------------------------------------------------------------------------------------


def test_without_templates_what_is_stored_is_the_text() -> None:
    assert Bundle(TEXT).document == TEXT
    assert Bundle(TEXT).version == version_of(TEXT)
    assert read_bundle(TEXT) == Bundle(TEXT)


@pytest.mark.parametrize(
    "bundle",
    [
        pytest.param(Bundle(TEXT, (HELLO,)), id="one"),
        pytest.param(Bundle(TEXT, (BYE, HELLO)), id="several, in their order"),
        pytest.param(Bundle('größe: "\ud800"', (("ö\n", "\ud800\x00"),)), id="any text"),
        pytest.param(Bundle("", (("", ""),)), id="empty ones"),
    ],
)
def test_what_is_stored_is_read_as_it_was(bundle: Bundle) -> None:
    assert read_bundle(bundle.document) == bundle


def test_the_version_is_of_all_files() -> None:
    bundles = [
        Bundle(TEXT),
        Bundle(TEXT, (HELLO,)),
        Bundle(TEXT, (HELLO, BYE)),
        Bundle(TEXT, (BYE, HELLO)),
        Bundle(TEXT, (("hello.tmpl", "other"),)),
        Bundle(TEXT, (("other.tmpl", HELLO[1]),)),
        Bundle(SMALL, (HELLO,)),
    ]
    assert len({bundle.version for bundle in bundles}) == len(bundles)
    read = read_configuration(TEXT, templates=(HELLO, BYE))
    assert read.version == Bundle(TEXT, (HELLO, BYE)).version
    assert (read.original, read.templates) == (TEXT, (HELLO, BYE))


# ---- Complaints ------------------------------------------------------------------------------------------------------


def problems(text: str, *templates: tuple[str, str]) -> tuple[Problem, ...]:
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(text, templates=templates)
    return caught.value.problems


def test_a_pattern_that_matches_nothing_is_fine() -> None:
    assert read_configuration(TEXT, templates=()).templates == ()


def test_files_that_nobody_looked_for_are_missed() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(TEXT)
    assert str(caught.value) == (
        "alertmanager.yml:3: templates: the files that it names are not here; "
        "`tocsin config push FILE` sends them along"
    )
    for empty in ("[]", "", "['', null]"):
        read_configuration(SMALL + f"templates: {empty}")


def test_a_template_that_cannot_be_read_is_named_with_its_place() -> None:
    broken = ("sub/bye.tmpl", "\n  {{ if }}")
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(f"{TEXT}foo: bar\n", name="my.yml", templates=(HELLO, broken))
    first, second = caught.value.problems
    assert first == Problem(4, 1, "foo", "unknown key")
    assert (second.file, second.line, second.key) == ("sub/bye.tmpl", 2, "")
    unknown, of_template = str(caught.value).splitlines()
    assert unknown == "my.yml:4: foo: unknown key"
    assert of_template.startswith(f"sub/bye.tmpl:2:{second.column}: ")


def test_what_the_files_define_is_kept_for_the_receivers() -> None:
    read = read_configuration(TEXT, templates=(HELLO, BYE))
    assert read.template_set is not None
    assert {"hello", "bye", "hello.tmpl", "bye.tmpl"} <= read.template_set.names


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param("templates: x", Problem(3, 12, "templates", "expected a list"), id="no list"),
        pytest.param("templates: [a, {}]", Problem(3, 16, "templates[1]", "expected a text"), id="no text"),
        pytest.param("templates:\n- '['", Problem(4, 3, "templates[0]", "syntax error in pattern"), id="no pattern"),
    ],
)
def test_what_templates_refuse(lines: str, expected: Problem) -> None:
    assert problems(SMALL + lines) == (expected,)
