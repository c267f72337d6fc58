"""The check of the package finds what is planted; the check itself runs in CI, for it builds a package."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from scripts.check_package import BESIDE, OURS, find_problems, print_budget
from scripts.pack import pack

PYPROJECT = """
[project]
dependencies = ["azure-functions>=2.3", "google-re2>=1.1"]

[dependency-groups]
devhost = ["uvicorn>=0.35"]
dev = ["pytest>=8.4", "azure-functions>=2.3"]
"""


@pytest.fixture
def pyproject(tmp_path: Path) -> Path:
    file = tmp_path / "pyproject.toml"
    file.write_text(PYPROJECT)
    return file


@pytest.fixture
def app(tmp_path: Path) -> Path:
    app = tmp_path / "app"
    for name in OURS | BESIDE:
        (app / name).mkdir(parents=True)
    for name in ("azure_functions", "google_re2", "werkzeug"):
        install(app, name)
    return app


def install(app: Path, name: str) -> None:
    info = app / ".python_packages" / "lib" / "site-packages" / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")


def test_a_good_package_passes(app: Path, pyproject: Path) -> None:
    assert find_problems(app, pyproject) == []


@pytest.mark.parametrize("name", ["devhost", "tests", ".env"])
def test_what_is_not_deployed(app: Path, pyproject: Path, name: str) -> None:
    (app / name).mkdir()
    assert find_problems(app, pyproject) == [f"{name} does not belong into the package"]


def test_what_is_missing(app: Path, pyproject: Path) -> None:
    (app / "host.json").rmdir()
    assert find_problems(app, pyproject) == ["host.json is missing"]


def test_what_leaks_from_a_group(app: Path, pyproject: Path) -> None:
    install(app, "Uvicorn")
    assert find_problems(app, pyproject) == ["uvicorn of the group devhost has leaked into the package"]


def test_what_is_not_installed(app: Path, pyproject: Path) -> None:
    pyproject.write_text(PYPROJECT.replace("google-re2", "msgspec"))
    assert find_problems(app, pyproject) == ["msgspec is not in the package"]


def test_a_path_out_of_the_package(app: Path, pyproject: Path) -> None:
    (app / ".python_packages" / "lib" / "site-packages" / "tocsin.pth").write_text("/work/main")
    assert find_problems(app, pyproject) == ["tocsin.pth would put another folder on the path"]


# --- one file, and its budget -----------------------------------------------------------------------------------------


def test_the_same_folder_makes_the_same_file(app: Path, tmp_path: Path) -> None:
    (app / "domain" / "alerts.py").write_text("the code")
    first = pack(app, tmp_path / "out" / "first.zip")
    os.utime(app / "domain" / "alerts.py", (0, 0))
    assert pack(app, tmp_path / "second.zip") == first
    assert (tmp_path / "out" / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "second.zip") as archive:
        assert "domain/alerts.py" in archive.namelist()
        assert any(name.startswith(".python_packages/") for name in archive.namelist()), "the host looks for it there"


def test_what_is_spent_is_printed_and_held_against_a_budget(capsys: pytest.CaptureFixture[str]) -> None:
    print_budget({"zipped, MB": (24.987, 40)})
    assert capsys.readouterr().out == "zipped, MB: 24.99 of 40\n"
    with pytest.raises(SystemExit, match="over the budget: zipped, MB"):
        print_budget({"unpacked, MB": (1, 2), "zipped, MB": (41, 40)})
