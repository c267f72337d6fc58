"""The command line: what it refuses, what it says, and its exit codes."""

import io
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from devhost import cli
from devhost.logs import JsonFormatter, configure_logs
from endpoints.pipeline import request_id
from tests.serving import ROOT, Serving

GOOD = "route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n"
WRONG = "route:\n  receiver: teem\n  group_wait: 1x\nreceivers:\n  - name: team\n"

type Output = pytest.CaptureFixture[str]


def run(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The command line as a process of its own; for what ends by itself."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    return subprocess.run(
        [sys.executable, "-m", "devhost.cli", *arguments],
        cwd=ROOT,
        env={**inherited, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def tocsin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("cli"), GOOD) as tocsin:
        yield tocsin


# --- serve ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["--host", "0.0.0.0"], "nobody is asked for a key", id="every address"),
        pytest.param(["--host", "example.org"], "nobody is asked for a key", id="another machine's name"),
        pytest.param(["--host", "127.0.0.2"], "use one of 127.0.0.1, ::1, localhost", id="an odd loopback address"),
        pytest.param(["--auth", "--host", "no.such.host.invalid"], "cannot listen on no.such.host", id="no host"),
        pytest.param(["--auth", "--demo"], "leave out --auth", id="a demo with keys"),
        pytest.param(["--demo", "--config", "x.yml"], "leave out --config", id="a demo of one's own"),
        pytest.param(["--config", "no-such-file.yml"], "no-such-file.yml cannot be read: No such file", id="no file"),
    ],
)
def test_serve_refuses(arguments: list[str], said: str, tmp_path: Path, capsys: Output) -> None:
    assert cli.main(["serve", "--port", "0", "--data", str(tmp_path / "data"), *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "data").exists(), "nothing starts"


def test_serve_names_every_fault_of_the_configuration(tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "am.yml"
    file.write_text(WRONG)
    assert cli.main(["serve", "--port", "0", "--data", str(tmp_path / "data"), "--config", str(file)]) == 2
    complaints = capsys.readouterr().err
    assert f"{file}:2: route.receiver: " in complaints
    assert f"{file}:3: route.group_wait: " in complaints
    assert not (tmp_path / "data").exists(), "nothing starts"


def test_serve_wants_text(tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "am.yml"
    file.write_bytes(b"route: \xff")
    assert cli.main(["serve", "--port", "0", "--config", str(file)]) == 2
    assert "is not UTF-8: invalid start byte at byte 7" in capsys.readouterr().err


def test_serve_names_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setenv("TOCSIN_DURABILITY", "eternal")
    assert cli.main(["serve", "--port", "0"]) == 2
    assert "TOCSIN_DURABILITY" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["70000", "-1", "http", "²"])
def test_serve_wants_a_port(port: str, capsys: Output) -> None:
    with pytest.raises(SystemExit) as raised:
        cli.main(["serve", f"--port={port}"])
    assert raised.value.code == 2
    assert "is no port" in capsys.readouterr().err


def test_serve_refuses_a_busy_port(tmp_path: Path, capsys: Output) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.main(["serve", "--port", str(port), "--data", str(tmp_path / "data")]) == 1
    assert f"cannot listen on port {port} of 127.0.0.1: address already in use" in capsys.readouterr().err
    assert not (tmp_path / "data").exists(), "nothing starts"


def test_serve_refuses_data_that_another_process_serves(tocsin: Serving) -> None:
    ended = run("serve", "--port", "0", "--data", str(tocsin.data))
    assert ended.returncode == 1
    assert "is in use by another process" in ended.stderr


def test_serve_says_what_it_will_do(tocsin: Serving) -> None:
    said = tocsin.output
    assert f"Tocsin is ready on {tocsin.url}\n" in said
    assert f"{tocsin.url}/incidents" in said
    assert f"{tocsin.url}/api/v2/alerts" in said
    assert f"{tocsin.configuration_file}, followed as it changes" in said
    assert "nobody is told" in said
    assert str(tocsin.data) in said


def test_serve_tells_a_default_from_what_it_remembers(tmp_path: Path) -> None:
    with Serving(tmp_path) as tocsin:
        assert "none given (--config FILE): alerts are kept, nobody is told." in tocsin.output
        text = GOOD + "    webhook_configs:\n      - url: http://127.0.0.1:9/secret\n"
        pushed = tocsin.request("POST", "/api/v1/configuration", text.encode()).json()["version"]
        tocsin.restart()
        assert f"version {pushed}, from the last time. Tells nobody by webhook." in tocsin.output
        assert "secret" not in tocsin.output


def test_serve_ends_cleanly_when_told_to(tmp_path: Path) -> None:
    with Serving(tmp_path) as tocsin:
        assert tocsin.stop() == 0
        assert not (tocsin.data / "tocsin.db-wal").exists(), "the store is closed"


def test_the_links_lead_where_people_reach_it(tmp_path: Path) -> None:
    with Serving(tmp_path, GOOD, arguments=("--external-url", "https://alerts.example/tocsin/")) as tocsin:
        tocsin.post("/api/v2/alerts", [{"labels": {"alertname": "DiskFull"}}])
        (incident,) = tocsin.get("/api/v1/incidents").json()["incidents"]
        assert incident["url"] == f"https://alerts.example/tocsin/incidents/{incident['id']}"


# --- logs -----------------------------------------------------------------------------------------------------------


def test_logs_are_one_object_a_line_where_nobody_watches(tmp_path: Path) -> None:
    with Serving(tmp_path, GOOD) as tocsin:
        tocsin.configure(WRONG)
        tocsin.post("/-/reload")
        tocsin.stop()
        lines = [json.loads(line) for line in tocsin.output.splitlines() if line.startswith("{")]
    assert all({"at", "level", "logger", "message"} <= line.keys() for line in lines)


def test_a_log_line_names_its_request() -> None:
    record = logging.LogRecord("tocsin.http", logging.ERROR, "x.py", 1, "%s failed", ("GET /",), None)
    assert "request_id" not in json.loads(JsonFormatter().format(record))
    token = request_id.set("abc")
    try:
        line = json.loads(JsonFormatter().format(record))
    finally:
        request_id.reset(token)
    assert (line["request_id"], line["message"], line["level"]) == ("abc", "GET / failed", "error")


def test_a_log_line_keeps_the_exception() -> None:
    try:
        raise ValueError("no such thing")
    except ValueError:
        record = logging.LogRecord("tocsin", logging.ERROR, "x.py", 1, "failed", (), sys.exc_info())
    assert "ValueError: no such thing" in json.loads(JsonFormatter().format(record))["exception"]


@pytest.fixture
def _root_logger() -> Iterator[None]:
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    yield
    root.handlers[:] = kept
    root.setLevel(level)


@pytest.mark.usefixtures("_root_logger")
def test_text_logs_take_nothing_for_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    configure_logs("text", "info")
    logging.getLogger("tocsin.x").info("[bold]not bold[/bold]")
    logging.getLogger("uvicorn.error").info("nobody reads this")
    token = request_id.set("abc")
    try:
        logging.getLogger("tocsin.x").warning("with a request")
    finally:
        request_id.reset(token)
    assert "[bold]not bold[/bold]" in screen.getvalue()
    assert "(request abc)" in screen.getvalue()
    assert "nobody reads this" not in screen.getvalue()


# --- config push ----------------------------------------------------------------------------------------------------


def test_push_puts_a_file_in_force(tocsin: Serving, tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "am.yml"
    file.write_text(f"# pushed\n{GOOD}")
    assert cli.main(["config", "push", str(file), "--url", tocsin.url]) == 0
    version = tocsin.get("/api/v1/configuration").json()["version"]
    assert capsys.readouterr().out == f"Version {version} is in force.\n"
    assert cli.main(["config", "push", str(file), "--json", "--url", tocsin.url]) == 0
    assert json.loads(capsys.readouterr().out) == {"version": version}


def test_push_reads_standard_input(tocsin: Serving, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(WRONG.encode())))
    assert cli.main(["config", "push", "-", "--url", tocsin.url]) == 2
    assert "standard input:2: route.receiver: " in capsys.readouterr().err


def test_push_names_every_fault_with_file_line_and_key(tocsin: Serving, tmp_path: Path, capsys: Output) -> None:
    before = tocsin.get("/api/v1/configuration").json()["version"]
    file = tmp_path / "am.yml"
    file.write_text(WRONG)
    assert cli.main(["config", "push", str(file), "--url", tocsin.url]) == 2
    complaints = capsys.readouterr().err.splitlines()
    assert complaints[0] == f'{file}:2: route.receiver: undefined receiver "teem"'
    assert complaints[1].startswith(f"{file}:3: route.group_wait: ")
    assert complaints[2] == "The configuration in force stays as it is."
    assert tocsin.get("/api/v1/configuration").json()["version"] == before


def test_push_wants_a_file(tocsin: Serving, capsys: Output) -> None:
    assert cli.main(["config", "push", "/no/such/file", "--url", tocsin.url]) == 2
    assert "/no/such/file cannot be read: No such file or directory" in capsys.readouterr().err


def test_a_refusal_without_a_list_is_told_as_it_is(tocsin: Serving, tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "am.yml"
    file.write_bytes(b"\xff")
    assert cli.main(["config", "push", str(file), "--url", tocsin.url]) == 1
    assert "the configuration is not UTF-8" in capsys.readouterr().err


# --- dead letters ---------------------------------------------------------------------------------------------------


def test_no_dead_letters_are_good_news(tocsin: Serving, capsys: Output) -> None:
    assert cli.main(["dead-letters", "list", "--url", tocsin.url]) == 0
    assert capsys.readouterr().out == "There are no dead letters.\n"
    assert cli.main(["dead-letters", "list", "--json", "--url", tocsin.url]) == 0
    assert json.loads(capsys.readouterr().out) == {"dead_letters": [], "next": None}


def test_an_unknown_dead_letter_is_refused(tocsin: Serving, capsys: Output) -> None:
    assert cli.main(["dead-letters", "show", "7/../8", "--url", tocsin.url]) == 1
    assert cli.main(["dead-letters", "replay", "7", "--url", tocsin.url]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "tocsin: no dead letter '7'"


LETTER = {
    "id": "7",
    "queue": "intake",
    "kind": "dead",
    "reason": "not alerts \x1b[31m",
    "at": "2026-11-22T12:00:00.5Z",
    "delivery_count": 1000,
    "size": 3,
    "body_bytes": 8,
}


@pytest.fixture
def scripted() -> Iterator[Any]:
    """A server that answers any request with what it is told to: `answers[path] = (status, body)`."""
    answers: dict[str, tuple[int, Any]] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers[self.path]
            encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        do_POST = do_GET

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nobody reads it."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", answers
        server.shutdown()
        thread.join()


def test_dead_letters_are_listed_on_a_line_each(scripted: Any, capsys: Output) -> None:
    url, answers = scripted
    answers["/api/v1/dead-letters?limit=5"] = (200, {"dead_letters": [LETTER]})
    assert cli.main(["dead-letters", "list", "--limit", "5", "--url", url]) == 0
    heading, line = capsys.readouterr().out.splitlines()
    assert heading.split() == ["ID", "SINCE", "QUEUE", "KIND", "ALERTS", "REASON"]
    assert line.split(maxsplit=6) == ["7", "2026-11-22", "12:00:00", "intake", "dead", "3", "not alerts �[31m"]


@pytest.mark.parametrize(
    ("encoding", "body", "shown"),
    [("json", {"a": 1}, '{\n  "a": 1\n}'), ("text", "plain\x1b", "plain�"), ("base64", "/wA=", '"/wA="')],
)
def test_a_dead_letter_is_shown_with_its_body(
    scripted: Any, capsys: Output, encoding: str, body: Any, shown: str
) -> None:
    url, answers = scripted
    answers["/api/v1/dead-letters/7"] = (200, {**LETTER, "body_encoding": encoding, "body": body})
    assert cli.main(["dead-letters", "show", "7", "--url", url]) == 0
    said = capsys.readouterr().out
    assert said.startswith("dead in queue intake at 2026-11-22 12:00:00 after 1000 attempts, 3 alerts\n")
    assert said.endswith(f"{shown}\n")
    assert cli.main(["dead-letters", "show", "7", "--json", "--url", url]) == 0
    assert json.loads(capsys.readouterr().out)["body"] == body


def test_a_replay_says_where_it_went(scripted: Any, capsys: Output) -> None:
    url, answers = scripted
    answers["/api/v1/dead-letters/7/replay"] = (200, {"id": "7", "queue": "intake"})
    assert cli.main(["dead-letters", "replay", "7", "--url", url]) == 0
    assert capsys.readouterr().out == "Dead letter 7 is in queue intake again.\n"


# --- when something else answers, or nothing ------------------------------------------------------------------------


def test_when_nobody_answers_it_says_how_to_start(capsys: Output) -> None:
    with socket.create_server(("127.0.0.1", 0)) as once:
        url = f"http://127.0.0.1:{once.getsockname()[1]}"
    assert cli.main(["dead-letters", "list", "--url", url]) == 3
    said = capsys.readouterr().err
    assert f"no answer from {url}" in said
    assert "tocsin serve" in said


def test_what_is_not_tocsin_is_recognised(scripted: Any, capsys: Output) -> None:
    url, answers = scripted
    answers["/api/v1/dead-letters?limit=100"] = (200, b"<html>")
    assert cli.main(["dead-letters", "list", "--url", url]) == 3
    assert "is not Tocsin" in capsys.readouterr().err
    answers["/api/v1/dead-letters?limit=100"] = (502, b"<html>bad gateway")
    assert cli.main(["dead-letters", "list", "--url", url]) == 1
    assert "502 Bad Gateway: <html>bad gateway" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["127.0.0.1:7071", "file:///etc/passwd", "http://"])
def test_an_address_is_one_of_http(url: str, capsys: Output) -> None:
    assert cli.main(["dead-letters", "list", "--url", url]) == 2
    assert "is no address to speak to" in capsys.readouterr().err


def test_the_environment_says_where_it_runs(tocsin: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_URL", tocsin.url)
    assert cli.main(["receivers", "list"]) == 0
    assert cli.main(["routes", "show"]) == 0
    assert cli.main(["receivers", "list", "--url", "http://127.0.0.1:1"]) == cli.NO_ANSWER


def test_no_proxy_stands_between_a_machine_and_itself(tocsin: Serving) -> None:
    ended = run("dead-letters", "list", "--url", tocsin.url, environment={"http_proxy": "http://127.0.0.1:9"})
    assert (ended.returncode, ended.stdout) == (0, "There are no dead letters.\n")


def test_the_exit_codes_are_told(capsys: Output) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    assert "3 nobody answers" in capsys.readouterr().out
