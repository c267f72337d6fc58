"""The pepper of the keys, and what settings about identities are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.keyring import PEPPER_FILE, read_pepper
from adapters.settings import Settings
from domain.errors import RejectedError, UnavailableError

EMULATORS = {
    "TOCSIN_HOME": "azure",
    "COSMOS": "AccountEndpoint=http://localhost:8081/;AccountKey=a2V5;",
    "SERVICE_BUS": "Endpoint=sb://localhost;SharedAccessKeyName=n;SharedAccessKey=k;UseDevelopmentEmulator=true;",
}


def test_it_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    first = read_pepper("", folder)
    assert len(first) == 64
    assert read_pepper("", folder) == first
    assert (folder / PEPPER_FILE).stat().st_mode & 0o777 == 0o600
    assert [file.name for file in folder.iterdir()] == [PEPPER_FILE]


def test_others_may_not_read_it(tmp_path: Path) -> None:
    read_pepper("", tmp_path)
    (tmp_path / PEPPER_FILE).chmod(0o644)
    read_pepper("", tmp_path)
    assert (tmp_path / PEPPER_FILE).stat().st_mode & 0o777 == 0o600


def test_one_that_is_set_counts(tmp_path: Path) -> None:
    assert read_pepper("s" * 32, tmp_path) == b"s" * 32
    assert not list(tmp_path.iterdir())


def test_without_a_folder_it_ends_with_the_process() -> None:
    assert read_pepper("", None) != read_pepper("", None)


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 64])
def test_a_broken_one_is_not_replaced(tmp_path: Path, content: bytes) -> None:
    """Every key would be wrong, and nobody would know why."""
    (tmp_path / PEPPER_FILE).write_bytes(content)
    with pytest.raises(UnavailableError, match=PEPPER_FILE):
        read_pepper("", tmp_path)
    assert (tmp_path / PEPPER_FILE).read_bytes() == content


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        pytest.param({"TOCSIN_KEY_PEPPER": "hunter2"}, "TOCSIN_KEY_PEPPER is too short", id="a short pepper"),
        pytest.param({**EMULATORS, "TOCSIN_AUTH": "true"}, "TOCSIN_KEY_PEPPER must be set", id="no pepper on Azure"),
        pytest.param({**EMULATORS, "WEBSITE_SITE_NAME": "x"}, "TOCSIN_KEY_PEPPER must be set", id="asked on Azure"),
        pytest.param({"TOCSIN_ENTRA_TENANTS": "a"}, "TOCSIN_ENTRA_AUDIENCE", id="a tenant and no audience"),
        pytest.param({"TOCSIN_ENTRA_AUDIENCE": "a"}, "TOCSIN_ENTRA_TENANTS", id="an audience and no tenant"),
        pytest.param({"TOCSIN_ENTRA_AUTHORITY": "https://evil.example"}, "only be https://login", id="another issuer"),
        pytest.param(
            {"TOCSIN_ENTRA_AUTHORITY": "https://login.microsoftonline.com.evil.example"}, "only be", id="much like it"
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(environment: dict[str, str], words: str) -> None:
    with pytest.raises(RejectedError, match=words) as raised:
        Settings.read(environment)
    assert "hunter2" not in str(raised.value)


def test_the_pepper_is_in_no_text_about_the_settings() -> None:
    settings = Settings.read({"TOCSIN_KEY_PEPPER": "hunter2" * 8})
    assert "hunter2" not in repr(settings) + str(settings)


def test_who_is_asked_for_a_key() -> None:
    assert not Settings.read({}).auth
    assert Settings.read({"TOCSIN_AUTH": "true"}).auth
    assert Settings.read({"WEBSITE_SITE_NAME": "tocsin"}).auth
    assert not Settings.read({"WEBSITE_SITE_NAME": "tocsin", "TOCSIN_AUTH": "false"}).auth
