"""Configurations in force: whole or not at all, live alerts routed anew (rule 12); and who may ask at all."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devhost.cli import main
from tests.e2e.receiver import Page, Receiver
from tests.serving import ROOT, Serving, eventually

JSON = {"Content-Type": "application/json"}
WAIT_SECONDS = 1.0
MARGIN_SECONDS = 1.5
"""How much later than due a page may come on two busy cores."""


def configuration(receiver: Receiver, names: str, routes: str = "", timers: str = "") -> str:
    listed = "".join(
        f'  - {{name: {name}, webhook_configs: [{{url: "{receiver.url("/" + name)}"}}]}}\n' for name in names.split()
    )
    return (
        f"route:\n  receiver: {names.split()[0]}\n  group_by: [alertname]\n  group_wait: 1s\n  group_interval: 1s\n"
        f"  repeat_interval: 12h\n{timers}{routes}receivers:\n{listed}"
    )


def fire(tocsin: Serving, *names: str, **labels: str) -> float:
    at = time.monotonic()
    answer = tocsin.post("/api/v2/alerts", [{"labels": {"alertname": name, **labels}} for name in names])
    assert answer.status == 200, answer.text
    return at


def told(receiver: Receiver, name: str) -> list[tuple[str, str]]:
    """The groups that were told of, and what; those of one instant in any order."""
    return sorted((page.group["alertname"], page.status) for page in receiver.taken(f"/{name}"))


def is_settled(tocsin: Serving) -> bool:
    ledger = tocsin.get("/api/v1/ledger").json()
    return (ledger["pending"], ledger["waiting"]) == (0, 0)


def listed(tocsin: Serving) -> dict[str, list[str]]:
    """What is firing, and who is to hear of it."""
    shown = tocsin.get("/api/v2/alerts").json()
    return {each["labels"]["alertname"]: [receiver["name"] for receiver in each["receivers"]] for each in shown}


def version(tocsin: Serving) -> str:
    return str(tocsin.get("/api/v1/configuration").json()["version"])


# --- what changes ---------------------------------------------------------------------------------------------------

ONE = "  routes:\n    - receiver: team\n"
BOTH = "  routes:\n    - {receiver: other, matchers: ['team=~\".+\"'], continue: true}\n    - receiver: team\n"


@pytest.mark.parametrize("way", ["reload", "file"])
def test_a_good_one_takes_effect_whole_and_tells_only_whom_it_is_news_to(
    tmp_path: Path, receiver: Receiver, way: str
) -> None:
    before = configuration(receiver, "team other", ONE)
    after = configuration(receiver, "team other", BOTH)
    with Serving(tmp_path, before) as tocsin:
        fire(tocsin, "DiskFull", "Down", team="db")
        fire(tocsin, "Slow")
        everything = [("DiskFull", "firing"), ("Down", "firing"), ("Slow", "firing")]
        eventually(lambda: told(receiver, "team") == everything, "the pages")
        eventually(lambda: is_settled(tocsin), "the pages to be settled")
        old = version(tocsin)

        tocsin.configure(after)
        if way == "reload":
            answer = tocsin.post("/-/reload")
            assert (answer.status, answer.text.partition(",")[0]) == (200, "OK")
        eventually(lambda: version(tocsin) != old, "the new version")
        # A receiver that is new to an alert is told; one that knows it is not told again.
        eventually(lambda: told(receiver, "other") == everything[:2], "the new receiver's pages")
        eventually(lambda: is_settled(tocsin), "those to be settled")
        time.sleep(2.5)  # two intervals in which nothing more may come
        assert told(receiver, "team") == everything
        assert told(receiver, "other") == everything[:2]
        assert listed(tocsin) == {"DiskFull": ["other", "team"], "Down": ["other", "team"], "Slow": ["team"]}
        # It is in force after the next start as well, and what is new is routed by it.
        tocsin.kill()
        tocsin.start()
        fire(tocsin, "New", team="db")
        eventually(lambda: ("New", "firing") in told(receiver, "other"), "a page by the new route")
        eventually(lambda: ("New", "firing") in told(receiver, "team"), "a page by the old route")
        assert told(receiver, "other") == [*everything[:2], ("New", "firing")]
        assert told(receiver, "team") == sorted([*everything, ("New", "firing")])
        eventually(lambda: tocsin.get("/api/v1/ledger").json()["balanced"], "the ledger to be balanced")


def test_where_strict_the_way_back_tells_of_what_resolved_elsewhere(tmp_path: Path, receiver: Receiver) -> None:
    there = configuration(receiver, "team other", "  routes:\n    - {receiver: other, matchers: ['team=\"db\"']}\n")
    with Serving(tmp_path, there, ("--compat", "strict")) as tocsin:
        fire(tocsin, "DiskFull", team="db")
        eventually(lambda: told(receiver, "other") == [("DiskFull", "firing")], "the page")
        tocsin.configure(configuration(receiver, "team other"))
        assert tocsin.post("/-/reload").status == 200
        eventually(lambda: told(receiver, "team") == [("DiskFull", "firing")], "the page after the move")
        eventually(lambda: is_settled(tocsin), "it to be settled")
        resolved = {"labels": {"alertname": "DiskFull", "team": "db"}, "endsAt": "2020-01-01T00:00:00Z"}
        assert tocsin.post("/api/v2/alerts", [resolved]).status == 200
        eventually(lambda: ("DiskFull", "resolved") in told(receiver, "team"), "the resolve")
        eventually(lambda: is_settled(tocsin) and not listed(tocsin), "an empty group")
        assert told(receiver, "other") == [("DiskFull", "firing")]
        # The group that it was moved to has dropped it: a reload hands it out all the same.
        tocsin.configure(there)
        assert tocsin.post("/-/reload").status == 200
        eventually(lambda: ("DiskFull", "resolved") in told(receiver, "other"), "the resolve where it fired first")
        eventually(lambda: is_settled(tocsin), "all to be settled")
        assert told(receiver, "team") == [("DiskFull", "firing"), ("DiskFull", "resolved")]
        eventually(lambda: tocsin.get("/api/v1/ledger").json()["balanced"], "the ledger to be balanced")


def test_a_bad_one_leaves_the_old_in_force_and_says_why_with_line_and_key(tmp_path: Path, receiver: Receiver) -> None:
    good = configuration(receiver, "team")
    bad = good.replace("group_wait: 1s", "group_wait: soon").replace("receiver: team", "receiver: teem")
    with Serving(tmp_path, good) as tocsin:
        old = version(tocsin)
        tocsin.configure(bad)
        problems = tocsin.post("/-/reload")
        assert problems.status == 400
        named = {(problem["line"], problem["key"]) for problem in problems.json()["problems"]}
        assert {(2, "route.receiver"), (4, "route.group_wait")} <= named
        assert "soon" in problems.text
        assert "teem" in problems.text
        pushed = tocsin.request("POST", "/api/v1/configuration", bad.encode())
        assert pushed.status == 422
        assert {(problem["line"], problem["key"]) for problem in pushed.json()["problems"]} == named
        # The file that is followed says it in the log.
        eventually(lambda: "the configuration in force stays" in tocsin.output, "a word about the file in the log")
        assert version(tocsin) == old
        fire(tocsin, "DiskFull")
        eventually(lambda: told(receiver, "team") == [("DiskFull", "firing")], "a page by the old one")


def test_sibling_routes_with_equal_matchers_are_both_told_each_in_its_time(tmp_path: Path, receiver: Receiver) -> None:
    routes = (
        "  routes:\n"
        "    - {receiver: quick, matchers: [team=db], continue: true, group_wait: 1s, group_interval: 2s}\n"
        "    - {receiver: late, matchers: [team=db], group_wait: 4s, group_interval: 5s}\n"
    )
    with Serving(tmp_path, configuration(receiver, "nobody quick late", routes)) as tocsin:
        at = fire(tocsin, "DiskFull", team="db", instance="a")

        def arrival(name: str, number: int) -> float:
            pages = eventually(lambda: p if len(p := receiver.taken(f"/{name}")) > number else [], f"page of {name}")
            return pages[number].arrived_at - at

        assert WAIT_SECONDS <= arrival("quick", 0) < WAIT_SECONDS + MARGIN_SECONDS
        fire(tocsin, "DiskFull", team="db", instance="b")  # before the late one is told at all
        assert 3.0 <= arrival("quick", 1) < 3.0 + MARGIN_SECONDS
        assert 4.0 <= arrival("late", 0) < 4.0 + MARGIN_SECONDS
        fire(tocsin, "DiskFull", team="db", instance="c")
        assert arrival("quick", 2) < 7.0 + MARGIN_SECONDS
        assert 9.0 <= arrival("late", 1) < 9.0 + MARGIN_SECONDS

        def instances(pages: list[Page]) -> list[set[str]]:
            return [page.names("instance") for page in pages]

        assert instances(list(receiver.taken("/quick"))) == [{"a"}, {"a", "b"}, {"a", "b", "c"}]
        assert instances(list(receiver.taken("/late"))) == [{"a", "b"}, {"a", "b", "c"}]
        assert receiver.taken("/nobody") == []
        assert {page.body["groupKey"] for page in receiver.taken()} == {'{}/{team="db"}:{alertname="DiskFull"}'}


def test_without_a_configuration_alerts_are_kept_and_nobody_is_told(tmp_path: Path) -> None:
    with Serving(tmp_path) as tocsin:
        assert tocsin.get("/api/v1/configuration").json()["is_default"]
        assert "receiver: nobody" in tocsin.get("/api/v2/status").json()["config"]["original"]
        assert tocsin.get("/api/v2/receivers").json() == [{"name": "nobody", "labels": {"name": "nobody"}}]
        fire(tocsin, "DiskFull")
        tocsin.kill()
        tocsin.start()
        assert listed(tocsin) == {"DiskFull": ["nobody"]}
        assert tocsin.post("/-/reload").status == 400
        ledger = tocsin.get("/api/v1/ledger").json()
        assert (ledger["accepted"], ledger["folded"], ledger["due"]) == (1, 1, 0)


# --- templates ------------------------------------------------------------------------------------------------------

PLAIN = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"
TEMPLATED = PLAIN + "templates: ['*.tmpl', 'more/*.tmpl']\n"


def define(file: Path, text: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(f'{{{{ define "{file.stem}" }}}}{text}{{{{ end }}}}\n')


def test_templates_are_followed_and_kept_with_the_version(tmp_path: Path) -> None:
    define(tmp_path / "title.tmpl", "one")
    with Serving(tmp_path, TEMPLATED) as tocsin:
        first = version(tocsin)
        define(tmp_path / "title.tmpl", "two")
        second = eventually(lambda: changed if (changed := version(tocsin)) != first else "", "the other template")
        define(tmp_path / "more" / "text.tmpl", "three")
        third = eventually(lambda: changed if (changed := version(tocsin)) != second else "", "the new template")
        # A wrong one is named with its own line, and changes nothing.
        define(tmp_path / "title.tmpl", "\n  {{ frobnicate }}")
        eventually(lambda: "title.tmpl:2:" in tocsin.output, "a word about it in the log")
        refused = tocsin.post("/-/reload")
        assert refused.status == 400
        (problem,) = refused.json()["problems"]
        assert (problem["file"], problem["line"]) == ("title.tmpl", 2)
        assert "frobnicate" in problem["message"]
        assert version(tocsin) == third
        # What is shown as the configuration is the YAML alone.
        assert "frobnicate" not in (shown := tocsin.get("/api/v2/status").json()["config"]["original"])
        assert "*.tmpl" in shown
        # A version that was in force before is in force again, by the same name.
        define(tmp_path / "title.tmpl", "one")
        (tmp_path / "more" / "text.tmpl").unlink()
        eventually(lambda: version(tocsin) == first, "the first ones")


def test_a_push_sends_the_templates_along(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pushed = tmp_path / "pushed" / "alertmanager.yml"
    define(tmp_path / "pushed" / "title.tmpl", "one")
    pushed.write_text(TEMPLATED)
    with Serving(tmp_path / "home") as tocsin:
        assert main(["config", "push", str(pushed), "--url", tocsin.url]) == 0
        first = version(tocsin)
        assert capsys.readouterr().out == f"Version {first} is in force.\n"
        # It is whole: nothing of the folder is needed any more.
        define(tmp_path / "pushed" / "title.tmpl", "{{ frobnicate }}")
        tocsin.kill()
        tocsin.start()
        assert version(tocsin) == first
        assert main(["config", "push", str(pushed), "--url", tocsin.url]) == 2
        assert capsys.readouterr().err.startswith("title.tmpl:1:")
        # The same over HTTP; the text alone is not enough.
        refused = tocsin.request("POST", "/api/v1/configuration", TEMPLATED.encode())
        assert refused.status == 422
        (problem,) = refused.json()["problems"]
        assert (problem["line"], problem["key"]) == (3, "templates")
        assert "tocsin config push" in problem["message"]
        files = {"configuration": TEMPLATED, "templates": {"title.tmpl": '{{ define "title" }}one{{ end }}\n'}}
        assert tocsin.post("/api/v1/configuration", files).json()["version"] == first
        assert tocsin.post("/api/v1/configuration", {"configuration": PLAIN}).json()["version"] != first
        for body in ({}, {"configuration": PLAIN, "templates": ["a"]}, {"configuration": PLAIN, "template": {}}, "x"):
            assert tocsin.post("/api/v1/configuration", body).status == 422


# --- tocsin.yml -----------------------------------------------------------------------------------------------------


def test_what_is_tocsins_own_lies_beside_it(tmp_path: Path) -> None:
    own = tmp_path / "tocsin.yml"
    own.write_text("compat: strict\n")
    with Serving(tmp_path, PLAIN) as tocsin:
        assert f"compat: strict, by {own}" in tocsin.output
        own.write_text("compat: mended\n")
        words = f"compat in {own} is mended now, and was strict: the next start heeds it"
        eventually(lambda: words in tocsin.output, "a word about it in the log")
        assert tocsin.post("/-/reload").text.splitlines()[1] == words
        tocsin.restart()
        assert f"compat: mended, by {own}" in tocsin.output


def test_the_command_line_wins_over_it(tmp_path: Path) -> None:
    (tmp_path / "tocsin.yml").write_text("compat: strict\n")
    with Serving(tmp_path, PLAIN, ["--compat", "mended"]) as tocsin:
        assert "compat: mended, by --compat" in tocsin.output


def test_a_wrong_one_refuses_the_start(tmp_path: Path) -> None:
    own = tmp_path / "own.yml"
    own.write_text("compat: strict\ncompact: true\n")
    done = serve(tmp_path / "data", "--port", "0", "--tocsin-config", str(own))
    assert done.returncode == 2
    assert f"{own}:2: compact: unknown key" in done.stderr
    assert not (tmp_path / "data").exists()
    assert serve(tmp_path / "data", "--port", "0", "--tocsin-config", str(tmp_path / "none.yml")).returncode == 2


# --- who may ask ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tocsin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("asked")) as serving:
        yield serving


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 200, id="none"),
        pytest.param({"Host": "localhost:{port}"}, 200, id="the machine's name"),
        pytest.param({"Host": "LocalHost:{port}"}, 200, id="in other letters"),
        pytest.param({"Host": "[::1]:{port}"}, 200, id="its other address"),
        pytest.param({"Host": "evil.example:{port}"}, 403, id="a name that was bound to this address"),
        pytest.param({"Host": "127.0.0.1.evil.example:{port}"}, 403, id="a name that begins like the address"),
        pytest.param({"Host": "localhost"}, 403, id="another port"),
        pytest.param({"Host": ""}, 403, id="an empty name"),
        pytest.param({"Origin": "http://127.0.0.1:{port}"}, 200, id="a page of its own"),
        pytest.param({"Origin": "http://evil.example"}, 403, id="another site's page"),
        pytest.param({"Origin": "http://127.0.0.1:1"}, 403, id="a page of another port"),
        pytest.param({"Origin": "null"}, 403, id="a page from nowhere"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 403, id="another site's picture"),
        pytest.param({"Sec-Fetch-Site": "same-origin"}, 200, id="a picture of its own"),
    ],
)
def test_no_web_page_can_drive_it(tocsin: Serving, headers: dict[str, str], status: int) -> None:
    sent = {name: value.format(port=tocsin.port) for name, value in headers.items()}
    body = b'[{"labels": {"alertname": "Asked"}}]'
    assert tocsin.request("POST", "/api/v2/alerts", body, {**JSON, **sent}).status == status
    assert tocsin.request("GET", "/api/v2/alerts", None, sent).status == status
    assert tocsin.request("POST", "/-/reload", None, sent).status == (400 if status == 200 else 403)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_it_refuses_to_listen_where_others_could_reach_it(tmp_path: Path, host: str) -> None:
    done = serve(tmp_path / "data", "--host", host, "--port", "0")
    assert done.returncode == 2
    assert f"refusing to listen on {host}: nobody is asked for a key" in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_second_process_on_the_same_data_is_refused(tocsin: Serving) -> None:
    done = serve(tocsin.data, "--port", "0")
    assert done.returncode == 1
    assert "is in use by another process" in done.stderr
    assert tocsin.get("/-/ready").status == 200


def serve(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`tocsin serve` where it is expected to end by itself."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    return subprocess.run(
        [sys.executable, "-m", "devhost.cli", "serve", "--data", str(data), *arguments],
        cwd=ROOT,
        env=inherited,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
