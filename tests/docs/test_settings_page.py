"""docs/settings.md is what the settings are."""

from __future__ import annotations

import pytest

from adapters.settings import Settings, variable_of
from devhost import cli
from domain.errors import RejectedError
from scripts.settings_page import FLAGS, NEEDED_ON_AZURE, ONLY_IN, PAGE, SECTIONS, UNITS, render

ON_AZURE = {
    "TOCSIN_HOME": "azure",
    "TOCSIN_AUTH": "true",
    "COSMOS__accountEndpoint": "https://example.documents.azure.com:443/",
    "SERVICE_BUS__fullyQualifiedNamespace": "example.servicebus.windows.net",
    "TOCSIN_KEY_PEPPER": "0123456789abcdef0123456789abcdef",
}


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == render(), "uv run python -m scripts.settings_page --write"


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_nothing_is_told_of_settings_that_there_are_not() -> None:
    told = [name for names in SECTIONS.values() for name in names]
    assert len(told) == len(set(told))
    assert {*told, *FLAGS, *NEEDED_ON_AZURE, *ONLY_IN, *UNITS} <= Settings.model_fields.keys()


def test_the_flags_are_those_of_serve(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["serve", "--help"])
    offered = capsys.readouterr().out
    assert [flag for flag in FLAGS.values() if flag not in offered] == []


@pytest.mark.parametrize("home", ["sqlite", "memory"])
def test_one_machine_needs_nothing(home: str) -> None:
    assert Settings.read({"TOCSIN_HOME": home}).home == home


@pytest.mark.parametrize("field", NEEDED_ON_AZURE)
def test_azure_needs_each_of_these(field: str) -> None:
    assert Settings.read(ON_AZURE).home == "azure"
    with pytest.raises(RejectedError, match=variable_of(field)):
        Settings.read({name: value for name, value in ON_AZURE.items() if name != variable_of(field)})
