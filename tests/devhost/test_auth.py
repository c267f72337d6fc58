"""`tocsin serve --auth`: the first key, the ways to send one, `tocsin keys` and `tocsin audit`; no secret anywhere."""

from __future__ import annotations

import base64
import json
import re
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from devhost import cli
from tests.serving import Serving, eventually

type Output = pytest.CaptureFixture[str]

KEY = re.compile(r"toc_[0-9a-f]{12}_[A-Za-z0-9_-]{43}")
ALERTS = [{"labels": {"alertname": "DiskFull", "instance": "db-1"}}]


@pytest.fixture(scope="module")
def tocsin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("auth"), arguments=("--auth",), home="sqlite") as tocsin:
        yield tocsin


def first_key(tocsin: Serving) -> str:
    (found,) = KEY.findall(tocsin.output)
    return str(found)


@pytest.fixture
def admin(tocsin: Serving, monkeypatch: pytest.MonkeyPatch) -> str:
    """The first key, which the commands find in the environment."""
    key = first_key(tocsin)
    monkeypatch.setenv("TOCSIN_KEY", key)
    return key


def post_alerts(tocsin: Serving, headers: Mapping[str, str]) -> int:
    body = json.dumps(ALERTS).encode()
    return tocsin.request("POST", "/api/v2/alerts", body, {"Content-Type": "application/json", **headers}).status


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def run(capsys: Output, *arguments: str) -> tuple[int, str, str]:
    code = cli.main([*arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def create(capsys: Output, tocsin: Serving, *arguments: str) -> dict[str, Any]:
    code, out, err = run(capsys, "keys", "create", *arguments, "--url", tocsin.url, "--json")
    assert code == 0, err
    key: dict[str, Any] = json.loads(out)
    return key


# --- the first key --------------------------------------------------------------------------------------------------


def test_what_is_kept_is_for_the_owner_and_has_no_secret(tocsin: Serving, admin: str) -> None:
    pepper = tocsin.data / "key.pepper"
    assert pepper.stat().st_mode & 0o777 == 0o600
    secret = admin[17:].encode()
    for file in tocsin.data.iterdir():
        assert secret not in file.read_bytes(), file.name


def test_what_a_restart_keeps_and_what_was_done_to_the_file_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    with Serving(tmp_path, arguments=("--auth", "--host", "0.0.0.0"), home="sqlite") as tocsin:
        assert "listens on: 0.0.0.0, without TLS" in tocsin.output
        with socket.create_connection(("127.0.0.2", tocsin.port), timeout=10):
            pass  # it answers at more than the one address
        key = first_key(tocsin)
        monkeypatch.setenv("TOCSIN_KEY", key)
        for number in range(4):
            create(capsys, tocsin, f"key {number}", "--scope", "read")
        assert verify(capsys, tocsin)[0] == 0
        tocsin.stop()
        with closing(sqlite3.connect(tocsin.data / "tocsin.db")) as db:
            change = "replace(cast(document as text), 'create_key', 'list_keys')"
            db.execute(f"update audit set document = {change} where number = 3")
            db.commit()
        tocsin.start()
        assert KEY.findall(tocsin.output) == [key], "it is printed once, and never again"
        code, found = verify(capsys, tocsin)
        assert (code, found["is_whole"], found["number"]) == (1, False, 3)
        tocsin.stop()
        # Whoever has the store, but not the pepper, has no key.
        (tocsin.data / "key.pepper").write_text("0" * 64)
        tocsin.start()
        assert tocsin.request("GET", "/api/v1/keys", headers=bearer(key)).status == 401


# --- who is asked, and how ------------------------------------------------------------------------------------------


def test_without_a_key_there_is_only_its_health(tocsin: Serving) -> None:
    assert tocsin.get("/-/healthy").status == tocsin.get("/-/ready").status == 200
    assert post_alerts(tocsin, {}) == 401
    for path in ("/api/v1/incidents", "/api/v2/alerts", "/incidents", "/api/v1/keys"):
        assert tocsin.get(path).status == 401, path


def test_prometheus_and_amtool_may_send_it_either_way(tocsin: Serving, admin: str) -> None:
    basic = base64.b64encode(f"prometheus:{admin}".encode()).decode()
    assert post_alerts(tocsin, bearer(admin)) == 200  # `authorization: {credentials: …}`
    assert post_alerts(tocsin, {"Authorization": f"Basic {basic}"}) == 200  # `basic_auth: {password: …}`
    assert post_alerts(tocsin, {"X-API-Key": admin}) == 200


@pytest.mark.needs("amtool")
@pytest.mark.parametrize(
    "http",
    [
        pytest.param("basic_auth: {{username: amtool, password: {key}}}", id="basic"),
        pytest.param("authorization: {{credentials: {key}}}", id="bearer"),
    ],
)
def test_amtool_is_known(
    tocsin: Serving, admin: str, tmp_path: Path, program: Callable[[str], Path], http: str
) -> None:
    file = tmp_path / "http.yml"
    file.write_text(http.format(key=admin))
    silence = ["silence", "add", "alertname=Nothing", "--comment", "none", "--author", "ada"]
    for config, code in (["--http.config.file", str(file)], 0), ([], 1):
        command = [str(program("amtool")), "--alertmanager.url", tocsin.url, *config, *silence]
        assert subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == code


def test_it_may_be_asked_by_any_name(tocsin: Serving, admin: str) -> None:
    assert tocsin.request("GET", "/api/v1/keys", headers={**bearer(admin), "Host": "tocsin.example.com"}).status == 200


def test_a_browser_is_asked_for_a_password(tocsin: Serving, admin: str) -> None:
    answer = tocsin.request("GET", "/incidents", headers={"Accept": "text/html"})
    assert answer.headers["www-authenticate"].startswith("Basic ")
    basic = base64.b64encode(f"ada:{admin}".encode()).decode()
    headers = {"Accept": "text/html", "Authorization": f"Basic {basic}"}
    assert tocsin.request("GET", "/incidents", headers=headers).status == 200


def test_a_caller_does_not_choose_its_address(tocsin: Serving, admin: str, capsys: Output) -> None:
    headers = {**bearer(admin), "X-Forwarded-For": "203.0.113.5", "Content-Type": "application/json"}
    body = json.dumps({"name": "x", "scopes": ["read"]}).encode()
    assert tocsin.request("POST", "/api/v1/keys", body, headers).status == 201
    _, out, _ = run(capsys, "audit", "list", "--limit", "1", "--url", tocsin.url, "--json")
    assert json.loads(out)["entries"][0]["address"] == "127.0.0.1"


# --- tocsin keys ----------------------------------------------------------------------------------------------------


def test_a_key_from_its_making_to_its_end(tocsin: Serving, admin: str, capsys: Output) -> None:
    code, out, err = run(
        capsys, "keys", "create", "prometheus", "--scope", "ingest", "--expires", "90d", "--url", tocsin.url
    )
    assert not err
    key, words, once = out.splitlines()
    assert (code, once) == (0, "It is shown this once.")
    assert KEY.fullmatch(key)
    assert re.fullmatch(r"That is key [0-9a-f]{12} \(prometheus\): ingest, until 20\d\d-.* UTC\.", words)
    assert post_alerts(tocsin, bearer(key)) == 200

    code, out, _ = run(capsys, "keys", "list", "--url", tocsin.url)
    assert code == 0
    line = next(line for line in out.splitlines() if line.startswith(key[4:16]))
    assert line.split()[1:4] == ["prometheus", "ingest", "valid"]
    assert key[17:] not in out

    code, out, _ = run(capsys, "keys", "rotate", key[4:16], "--overlap", "1h", "--url", tocsin.url)
    successor = out.splitlines()[0]
    assert code == 0
    assert post_alerts(tocsin, bearer(key)) == post_alerts(tocsin, bearer(successor)) == 200

    for one in (key, successor):
        code, out, _ = run(capsys, "keys", "revoke", one[4:16], "--url", tocsin.url)
        assert code == 0
        assert post_alerts(tocsin, bearer(one)) == 401


def test_every_command_takes_a_key(
    tocsin: Serving, admin: str, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.delenv("TOCSIN_KEY")
    code, _, err = run(capsys, "receivers", "list", "--url", tocsin.url)
    assert code == 1
    assert "Give an API key by TOCSIN_KEY" in err
    assert run(capsys, "receivers", "list", "--url", tocsin.url, "--key", admin)[0] == 0
    assert run(capsys, "routes", "show", "--url", tocsin.url, "--key", admin)[0] == 0
    assert run(capsys, "keys", "list", "--url", tocsin.url, "--key", "no key")[0] == 2


def test_a_wrong_wish_is_told(tocsin: Serving, admin: str, capsys: Output) -> None:
    code, _, err = run(capsys, "keys", "create", "x", "--scope", "read", "--source", "a", "--url", tocsin.url)
    assert (code, "only a key with the scope ingest alone" in err) == (1, True)
    assert run(capsys, "keys", "create", "x", "--scope", "read", "--expires", "soon", "--url", tocsin.url)[0] == 2
    assert run(capsys, "keys", "revoke", "f" * 12, "--url", tocsin.url)[0] == 1


# --- tocsin audit ---------------------------------------------------------------------------------------------------


def test_it_is_listed_for_people(tocsin: Serving, admin: str, capsys: Output) -> None:
    made = create(capsys, tocsin, "listed", "--scope", "read")
    code, out, _ = run(capsys, "audit", "list", "--limit", "1", "--url", tocsin.url)
    assert code == 0
    assert out.splitlines()[1].split()[3:] == [
        "first", "key", f"(key:{admin[4:16]})", "create_key", "keys", made["id"], "127.0.0.1", "201"
    ]  # fmt: skip


def verify(capsys: Output, tocsin: Serving, *arguments: str) -> tuple[int, dict[str, Any]]:
    code, out, err = run(capsys, "audit", "verify", *arguments, "--url", tocsin.url, "--json")
    assert not err
    found: dict[str, Any] = json.loads(out)
    return code, found


def test_what_was_changed_or_cut_off_shows(tocsin: Serving, admin: str, tmp_path: Path, capsys: Output) -> None:
    for number in range(3):
        create(capsys, tocsin, f"key {number}", "--scope", "read")
    code, found = verify(capsys, tocsin)
    count, head = found["entries"], found["head"]
    assert (code, found) == (0, {"is_whole": True, "entries": count, "head": head})
    assert verify(capsys, tocsin, "--head", head)[0] == 0

    _, exported, _ = run(capsys, "audit", "export", "--url", tocsin.url)
    lines = exported.splitlines(keepends=True)
    file = tmp_path / "audit.ndjson"

    def verified(lines: list[str], *arguments: str) -> tuple[int, dict[str, Any]]:
        file.write_text("".join(lines))
        return verify(capsys, tocsin, "--file", str(file), *arguments)

    assert verified(lines, "--head", head) == (0, {"is_whole": True, "entries": count, "head": head})
    assert verified(lines[:3])[0] == 0, "a chain cannot say that its end is missing"
    assert verified(lines[:3], "--head", head)[1]["number"] == 4
    assert verified([lines[0], *lines[2:]])[1]["number"] == 2
    assert verified([*lines[:-1], lines[-1].replace("create_key", "list_keys")])[1]["number"] == count
    code, _, err = run(capsys, "audit", "verify", "--file", str(file))
    assert (code, f"NOT whole: entry {count} was changed" in err) == (1, True)
    file.write_text("{}")
    assert run(capsys, "audit", "verify", "--file", str(file))[0] == 2


# --- secrets --------------------------------------------------------------------------------------------------------


def test_no_secret_is_in_the_log(tocsin: Serving, admin: str, capsys: Output) -> None:
    made = create(capsys, tocsin, "for the log", "--scope", "admin")
    wrong = made["key"][:-4] + "AAAA"
    basic = base64.b64encode(f"x:{wrong}".encode()).decode()
    for headers in (bearer(wrong), {"Authorization": f"Basic {basic}"}, {"X-API-Key": wrong}, bearer("eyJhbGciOi.e.x")):
        answer = tocsin.request("GET", "/api/v1/keys", headers=headers)
        assert answer.status == 401
        assert wrong[17:] not in answer.text
    tocsin.request("GET", f"/api/v1/keys/{made['key']}", headers=bearer(admin))
    eventually(lambda: "was refused (401)" in tocsin.output, "the refusal in the log")
    said = tocsin.output
    assert said.count(admin) == 1, "when it was shown"
    for secret in (made["key"][17:], wrong[17:], basic, "eyJhbGciOi"):
        assert secret not in said
