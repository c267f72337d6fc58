"""What a `tocsin.yml` may say of what is not kept of a source's payloads."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.configuration.own import read_own_configuration
from domain.errors import ConfigurationError


def redacted(said: str) -> tuple[str, ...]:
    text = f"sources:\n- kind: grafana\n  redact: {said}\n"
    return read_own_configuration(text, name="own.yml").sources.find("grafana", "k").redacted


def test_paths() -> None:
    assert redacted("[$.a.b, '$.alerts[*].labels.password', $..ssn]") == (
        "$.a.b",
        "$.alerts[*].labels.password",
        "$..ssn",
    )
    assert redacted("") == ()


def test_the_example_of_the_page_loads() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sources.md").read_text()
    section = page.partition("## What is kept, and replayed\n")[2].partition("\n## ")[0]
    text = section.partition("```yaml\n")[2].partition("```")[0]
    source = read_own_configuration(text).sources.find("generic", "checks")
    assert source.redacted == ("$.customer.phone", "$.alerts[*].labels.account", "$..ssn")


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        pytest.param("[$.a, a.b]", 'own.yml:3: sources[0].redact[1]: "a.b": expected a path', id="no path"),
        pytest.param("[$]", 'own.yml:3: sources[0].redact[0]: "$" is the whole payload', id="everything"),
        pytest.param("$.a", "own.yml:3: sources[0].redact: expected a list", id="no list"),
        pytest.param("[{a: b}]", "own.yml:3: sources[0].redact[0]: expected a text", id="no text"),
        pytest.param(f"[{', '.join(['$.a'] * 51)}]", "own.yml:3: sources[0].redact: 51 paths are too many", id="many"),
    ],
)
def test_what_is_refused(said: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        redacted(said)
    assert str(caught.value).startswith(complaint)
