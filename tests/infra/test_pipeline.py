"""The workflows and the image: what linters cannot know of them.  The linters themselves: scripts/check_files.sh."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.check_package import OURS
from tests.infra.deployments import INFRA, ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"uses: (?P<action>[\w.-]+/[\w./-]+)@(?P<sha>[0-9a-f]{40}) # v\d+\.\d+\.\d+")
OF_THE_PERSON = {"TOCSIN_KEY_PEPPER", "TOCSIN_SLACK_SIGNING_SECRET"}
"""Secrets: the pipeline never knows them."""

EACH = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def jobs(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())["jobs"]
    return found


def permissions(path: Path) -> Iterator[tuple[str, str]]:
    """What a workflow may beside reading the code, by job."""
    for name, job in jobs(path).items():
        for permission, level in job["permissions"].items():
            if (permission, level) != ("contents", "read"):
                yield name, f"{permission}: {level}"


@EACH
def test_every_action_is_pinned_and_says_its_version(path: Path) -> None:
    used = [line.strip().removeprefix("- ") for line in path.read_text().splitlines() if "uses:" in line]
    assert [line for line in used if not PINNED.fullmatch(line) and "uses: ./" not in line] == []


def test_an_action_is_pinned_to_one_commit_only() -> None:
    pins = {match["action"]: match["sha"] for path in WORKFLOWS for match in PINNED.finditer(path.read_text())}
    every = {(match["action"], match["sha"]) for path in WORKFLOWS for match in PINNED.finditer(path.read_text())}
    assert every == set(pins.items())


@EACH
def test_a_workflow_may_nothing_but_what_a_job_says(path: Path) -> None:
    assert yaml.safe_load(path.read_text())["permissions"] == {}


def test_only_the_deployment_may_more_than_read() -> None:
    assert {path.name: list(permissions(path)) for path in WORKFLOWS if list(permissions(path))} == {
        "deploy.yml": [
            ("attest", "id-token: write"),
            ("attest", "attestations: write"),
            ("deploy", "attestations: read"),
            ("deploy", "id-token: write"),
        ]
    }


@pytest.mark.parametrize("name", ["ci.yml", "deploy.yml"])
def test_the_order(name: str) -> None:
    path = ROOT / ".github" / "workflows" / name
    assert jobs(path)["package"]["needs"] == "checks"
    assert jobs(path)["security"]["needs"] == "package"
    called = jobs(ROOT / ".github" / "workflows" / "_checks.yml")
    assert called["types"]["needs"] == "lint"
    assert called["tests"]["needs"] == "types"


def test_what_is_deployed_was_checked_scanned_and_attested() -> None:
    deploying = jobs(ROOT / ".github" / "workflows" / "deploy.yml")
    assert deploying["attest"]["needs"] == "security"
    assert deploying["deploy"]["needs"] == "attest"
    assert deploying["deploy"]["environment"] == "production", "who may deploy, and who is asked, is said there"
    runs = [step["run"] for step in deploying["deploy"]["steps"] if "run" in step]
    verified = next(index for index, run in enumerate(runs) if "attestation verify dist/tocsin.zip" in run)
    deployed = next(index for index, run in enumerate(runs) if "azd deploy api --from-package dist/tocsin.zip" in run)
    assert verified < deployed


@EACH
def test_every_script_that_is_run_is_there(path: Path) -> None:
    named = re.findall(r"(?<![\w/])((?:scripts|\.ci)/[\w.]+)", path.read_text())
    assert [name for name in named if not (ROOT / name).is_file()] == []


@EACH
def test_every_workflow_that_is_called_is_there(path: Path) -> None:
    called = [job["uses"] for job in jobs(path).values() if "uses" in job]
    assert [name for name in called if not (ROOT / name).is_file()] == []


@EACH
def test_no_workflow_knows_a_secret(path: Path) -> None:
    assert "secrets." not in path.read_text()


def test_the_deployment_can_be_told_everything_but_secrets() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (INFRA / "main.parameters.json").read_text()))
    told = jobs(ROOT / ".github" / "workflows" / "deploy.yml")["deploy"]["env"].keys()
    assert asked - told == OF_THE_PERSON
    assert told - asked == {"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID"}


# --- the image --------------------------------------------------------------------------------------------------------


def copied() -> set[str]:
    """What the Dockerfile takes from the tree."""
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    return {name for line in lines for name in line.split()}


def test_the_image_has_what_the_wheel_has() -> None:
    build = (ROOT / "pyproject.toml").read_text()
    (included,) = re.findall(r"^only-include = (\[.*\])$", build, re.MULTILINE)
    assert copied() == {*json.loads(included), "pyproject.toml", "uv.lock", "README.md"}
    assert copied() >= OURS


def test_the_image_gets_nothing_else() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == copied()


def test_the_image_runs_as_nobody_in_particular_and_asks_for_keys() -> None:
    last = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    user = re.search(r"^USER (\d+)$", last, re.MULTILINE)
    assert user
    assert int(user[1]) > 0
    entry = re.search(r"^ENTRYPOINT (.+)$", last, re.MULTILINE)
    assert entry
    assert "--auth" in json.loads(entry[1])


def test_the_image_has_the_python_that_is_deployed() -> None:
    images = re.findall(r"^FROM python:(\S+?)-slim", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert set(images) == {(ROOT / ".python-version").read_text().strip()}


# --- before a commit --------------------------------------------------------------------------------------------------


def test_the_hooks_ask_what_ci_asks() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert {repo["repo"] for repo in hooks} == {"local"}, "nothing is fetched"
    asked = "\n".join(hook["entry"] for repo in hooks for hook in repo["hooks"])
    stages = (ROOT / ".ci" / "run").read_text()
    for check in ("ruff check", "ruff format --check", "mypy", "scripts/check_files.sh"):
        assert check in asked
        assert check in stages
