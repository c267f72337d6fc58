"""`tocsin check-config` and `tocsin routes`: what they print, their exit codes, and that amtool says the same."""

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devhost import cli
from tests.serving import Serving

EXAMPLES = Path(__file__).parents[1] / "domain" / "examples"

CLEAN = """\
route: {receiver: a}
receivers: [{name: a, webhook_configs: [{url: 'http://hunter2/'}]}]
"""

STRANGE = """\
route:
  receiver: a
  routes:
  - {matchers: [team=db], receiver: b}
  - {matchers: [team=db, severity=critical]}
  - {matchers: [team!=web]}
receivers:
- {name: a, webhook_configs: [{url: 'http://hunter2/'}]}
- {name: b, webhook_configs: [{url: 'http://hunter2/'}]}
"""

WRONG = "route:\n  receiver: teem\n  group_wait: 1x\nreceivers: [{name: team}]\n"

type Output = pytest.CaptureFixture[str]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An alertmanager.yml with two warnings' worth of strangeness, and nothing wrong."""
    file = tmp_path / "alertmanager.yml"
    file.write_text(STRANGE)
    return file


# --- check-config ---------------------------------------------------------------------------------------------------


def test_a_clean_file_is_told_of_as_by_amtool(tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "am.yml"
    file.write_text(CLEAN)
    assert cli.main(["check-config", "--strict", str(file)]) == 0
    assert capsys.readouterr().out == (
        f"Checking '{file}'  SUCCESS\n"
        "Found:\n - global config\n - route\n - 0 inhibit rules\n - 1 receivers\n - 0 templates\n"
        " - 0 time intervals\n - 1 routes in the tree\n\n0 errors, 0 warnings, 0 notes\n"
    )


def test_what_is_strange_is_told_with_its_line(file: Path, capsys: Output) -> None:
    assert cli.main(["check-config", str(file)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"Checking '{file}'  SUCCESS"
    assert said[1].startswith(f"{file}:5: warning: route.routes[1]: no alert comes here: the route in line 4 ")
    assert said[2].startswith(f"{file}:6: note: route.routes[2]: it says only what it does not want")
    assert said[-1] == "0 errors, 1 warning, 1 note"
    assert not any("hunter2" in line for line in said)


def test_strict_makes_warnings_count_and_quiet_hides_notes(file: Path, capsys: Output) -> None:
    assert cli.main(["check-config", "--strict", "--quiet", str(file)]) == 1
    said = capsys.readouterr().out
    assert "note:" not in said
    assert said.endswith("0 errors, 1 warning, 0 notes\n")


def test_notes_do_not_count_even_if_strict(tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "am.yml"
    file.write_text('route: {receiver: "null"}\nreceivers: [{name: "null"}]\n')
    assert cli.main(["check-config", "--strict", str(file)]) == 0
    assert capsys.readouterr().out.endswith("0 errors, 0 warnings, 1 note\n")


def test_errors_are_told_as_by_serve(file: Path, tmp_path: Path, capsys: Output) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(WRONG)
    assert cli.main(["check-config", str(wrong), str(file), str(tmp_path / "none.yml")]) == 2
    said = capsys.readouterr().out
    assert f"Checking '{wrong}'  FAILED\n" in said
    assert f'\n{wrong}:2: route.receiver: undefined receiver "teem"\n' in said
    assert f"\n{wrong}:3: route.group_wait: not a valid duration" in said
    assert f"Checking '{file}'  SUCCESS\n" in said, "the others are looked at too"
    assert f"\n{tmp_path}/none.yml cannot be read: No such file or directory\n" in said
    assert said.endswith("3 errors, 1 warning, 1 note\n")


def test_programs_get_json(file: Path, tmp_path: Path, capsys: Output) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(WRONG)
    assert cli.main(["check-config", "--json", str(file), str(wrong)]) == 2
    said = json.loads(capsys.readouterr().out)
    assert (said["errors"], said["warnings"], said["notes"]) == (2, 1, 1)
    right, refused = said["files"]
    assert (right["file"], right["is_taken"], refused["is_taken"]) == (str(file), True, False)
    assert right["found"]["receivers"] == 2
    assert {name: right["findings"][0][name] for name in ("severity", "rule", "file", "line", "key")} == {
        "severity": "warning",
        "rule": "unreachable-route",
        "file": str(file),
        "line": 5,
        "key": "route.routes[1]",
    }
    assert [(each["line"], each["column"]) for each in refused["findings"]] == [(2, 13), (3, 15)]


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(WRONG.encode())))
    assert cli.main(["check-config", "-"]) == 2
    assert "\nstandard input:2: route.receiver: " in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff")))
    assert cli.main(["check-config", "-"]) == 2
    assert "standard input is not UTF-8: invalid start byte at byte 0" in capsys.readouterr().out


def test_templates_are_found_and_checked(tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "am.yml"
    file.write_text(f"templates: ['t/*.tmpl']\n{CLEAN}")
    (tmp_path / "t").mkdir()
    template = tmp_path / "t" / "x.tmpl"
    template.write_text('{{ define "x" }}x{{ end }}')
    assert cli.main(["check-config", str(file)]) == 0
    assert " - 1 templates\n" in capsys.readouterr().out
    template.write_text("{{ if }}")
    assert cli.main(["check-config", str(file)]) == 2
    assert "\nt/x.tmpl:1:" in capsys.readouterr().out


def test_what_lies_outside_and_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    file, there = tmp_path / "am.yml", tmp_path / "url"
    there.write_text("http://team")
    monkeypatch.setenv("TOCSIN_TEST_SET", "http://team")
    monkeypatch.delenv("TOCSIN_TEST_UNSET", raising=False)
    file.write_text(
        "route: {receiver: a}\n"
        "templates: [gone.tmpl, 'none*.tmpl']\n"
        "receivers:\n"
        # A relative one counts from the folder of the file, as when it is used.
        f"- {{name: a, webhook_configs: [{{url_file: {there}}}, {{url_file: {tmp_path}/gone}}, {{url_file: url}}],\n"
        "   slack_configs: [{api_url: '${env:TOCSIN_TEST_SET}'}, {api_url: '${env:TOCSIN_TEST_UNSET}'}]}\n"
    )
    assert cli.main(["check-config", str(file)]) == 0
    said = capsys.readouterr().out
    assert f"{file}:2: warning: templates[0]: there is no file gone.tmpl; correct the path, or remove it\n" in said
    place = "receivers[0].webhook_configs[1].url_file"
    assert f"{file}:4: note: {place}: there is no file {tmp_path}/gone on this machine; Tocsin reads it" in said
    place = "receivers[0].slack_configs[1].api_url"
    assert f"{file}:5: note: {place}: environment variable TOCSIN_TEST_UNSET is not set here; Tocsin reads it" in said
    assert "0 errors, 1 warning, 2 notes" in said


def test_the_tocsin_yml_beside_it_is_checked(file: Path, capsys: Output) -> None:
    own = file.parent / "tocsin.yml"
    own.write_text("\ncompat: loose\n")
    assert cli.main(["check-config", str(file)]) == 2
    said = capsys.readouterr().out
    assert f'\n{own}:2:9: compat: "loose" is neither mended nor strict\n' in said
    assert f"{file}:5: warning: " in said
    assert cli.main(["check-config", str(own)]) == 2, "it can be checked by itself"
    assert f"{own}:2: compat: " in capsys.readouterr().out
    own.write_text("compat: strict\ntriage:\n  cool_down: 15\n")
    assert cli.main(["check-config", str(own)]) == 2
    assert f"{own}:3: triage.cool_down: " in capsys.readouterr().out
    (file.parent / "services.csv").write_text("service,team\ncart,shop\n")
    source = "{kind: zabbix, lookup: [{match: service, labels: team, file: services.csv}]}"
    own.write_text(f"compat: strict\nsources: [{source}]\n")
    assert cli.main(["check-config", str(file), str(own)]) == 0, capsys.readouterr().out


def test_unsupported_receivers_can_be_left_out(tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "am.yml"
    file.write_text("route: {receiver: a}\nreceivers: [{name: a, sns_configs: [{topic_arn: x}]}]\n")
    assert cli.main(["check-config", str(file)]) == 2
    assert cli.main(["check-config", "--ignore-unsupported-receivers", str(file)]) == 0
    assert 'receiver "a" goes without its sns' in capsys.readouterr().out


SILENCE = {
    "id": "0f6e1c2a-6c0b-4b8e-9a58-1f4f9a9d2f11",
    "status": {"state": "active"},
    "updatedAt": "2026-01-01T00:00:00.000Z",
    "comment": "",
    "createdBy": "me",
    "startsAt": "2026-01-01T00:00:00.000Z",
    "endsAt": "2999-01-01T00:00:00.000Z",
    "matchers": [{"name": "zone", "value": "a", "isRegex": False, "isEqual": False}],
}


def test_silences_are_checked(tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "silences.json"
    over = {**SILENCE, "id": "1", "endsAt": "2026-01-02T00:00:00.000Z"}
    file.write_text(json.dumps([SILENCE, over]))
    assert cli.main(["check-config", "--strict", "--silences", str(file)]) == 1
    said = capsys.readouterr().out
    assert f'\n{file}: warning: silence {SILENCE["id"]}: it has only zone!="a", and so mutes nearly everything' in said
    assert " - 2 silences\n\n0 errors, 1 warning, 0 notes\n" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("{}", "no list of silences", id="no list"),
        pytest.param("[", "is no JSON", id="no JSON"),
        pytest.param("[{}]", "comment in body is required", id="no silence"),
    ],
)
def test_what_is_no_list_of_silences_is_refused(text: str, said: str, tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "silences.json"
    file.write_text(text)
    assert cli.main(["check-config", "--silences", str(file)]) == 2
    assert said in capsys.readouterr().out


def test_there_must_be_something_to_check(capsys: Output) -> None:
    assert cli.main(["check-config"]) == 2
    assert "nothing to check: name a FILE" in capsys.readouterr().err


def test_what_a_file_says_does_not_steer_the_terminal(tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "am.yml"
    file.write_text('route: {receiver: "a", routes: [{matchers: ["x!~\'\\e[31m\'"]}]}\nreceivers: [{name: a}]\n')
    cli.main(["check-config", str(file)])
    cli.main(["routes", "show", "--config", str(file)])
    cli.main(["routes", "test", "--tree", "--explain", "--config", str(file)])
    assert "\x1b" not in capsys.readouterr().out


# --- routes ---------------------------------------------------------------------------------------------------------


def test_the_tree_is_shown(file: Path, capsys: Output) -> None:
    assert cli.main(["routes", "show", "--config", str(file)]) == 0
    assert capsys.readouterr().out == (
        "any alert -> a\n"
        "│     group_by: [] (one group)  group_wait: 30s  group_interval: 5m\n"
        "│     repeat_interval: 4h\n"
        '├─ team="db" -> b\n'
        '├─ severity="critical", team="db" -> a (unreachable)\n'
        '│        taken before by team="db"\n'
        '└─ team!="web" -> a\n'
    )
    assert cli.main(["routes", "show", "--json", "--config", str(file)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [(child["key"], child["is_unreachable"]) for child in said["routes"]] == [
        ('{}/{team="db"}', False),
        ('{}/{severity="critical",team="db"}', True),
        ('{}/{team!="web"}', False),
    ]


def test_a_tree_needs_nothing_else_to_be_right(tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "am.yml"
    file.write_text("templates: [none.tmpl]\nroute: {receiver: a}\nreceivers: [{name: a, sns_configs: [{}]}]\n")
    assert cli.main(["routes", "test", "--config.file", str(file)]) == 0
    assert capsys.readouterr().out == "a\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(["team=db"], 0, "b", id="a label"),
        pytest.param(['team="web"'], 0, "a", id="with quotes"),
        pytest.param(["team=", "x=y z"], 0, "a", id="without a value"),
        pytest.param(["team=db,x=y"], 0, "a", id="with a comma, as by amtool"),
        pytest.param(["team=db", "--verify", "b"], 0, "b", id="as expected"),
        pytest.param(["team=db", "--verify.receivers=b"], 0, "b", id="by amtool's flag"),
        pytest.param(["team=db", "--verify", "a"], 1, "b", id="not as expected"),
        pytest.param(["team=db", "--verify", "b,a"], 1, "b", id="more is expected"),
    ],
)
def test_labels_are_tried(arguments: list[str], code: int, said: str, file: Path, capsys: Output) -> None:
    assert cli.main(["routes", "test", "--config", str(file), *arguments]) == code
    output = capsys.readouterr()
    assert output.out == f"{said}\n"
    assert (", but it would go to b" in output.err) is (code == 1)


@pytest.mark.parametrize(
    ("label", "said"),
    [
        pytest.param("team", '"team" is no label: write name=value', id="a name only"),
        pytest.param("team!=db", '"team!=db" is no label: an alert has values', id="a matcher"),
        pytest.param("team=~db", '"team=~db" is no label: an alert has values', id="an expression"),
        pytest.param("=db", '"=db" is no label', id="no name"),
        pytest.param("{team=db}", '"{team=db}" is no label', id="in braces"),
        pytest.param('""=x', '"" is no name of a label', id="an empty name"),
    ],
)
def test_what_is_no_label_is_refused(label: str, said: str, file: Path, capsys: Output) -> None:
    assert cli.main(["routes", "test", "--config", str(file), label]) == 2
    assert said in capsys.readouterr().err


def test_a_label_has_one_value(file: Path, capsys: Output) -> None:
    assert cli.main(["routes", "test", "--config", str(file), "a=b", "a=c"]) == 2
    assert 'label "a" is given twice' in capsys.readouterr().err


def test_the_group_is_explained(tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "am.yml"
    file.write_text(
        "route:\n  receiver: a\n  group_by: [alertname, zone]\n  routes:\n"
        "  - {matchers: [team=db], repeat_interval: 1h, mute_time_intervals: [nights]}\n"
        "receivers: [{name: a}]\ntime_intervals: [{name: nights}]\n"
    )
    command = ["routes", "test", "--config", str(file), "team=db", "alertname=Disk Full", "zone="]
    assert cli.main([*command, "--explain", "--tree"]) == 0
    assert capsys.readouterr().out == (
        "any alert -> a\n"
        "│     group_by: alertname, zone  group_wait: 30s  group_interval: 5m\n"
        "│     repeat_interval: 4h\n"
        '└─ team="db" -> a\n'
        "         repeat_interval: 1h  muted in: nights\n"
        "\n"
        "a\n"
        "\n"
        "a:\n"
        f"  at            {file}:5\n"
        '  route         {}/{team="db"}\n'
        '  group labels  alertname="Disk Full"\n'
        '  group key     {}/{team="db"}:{alertname="Disk Full"}\n'
        "  timers        group_wait: 30s, group_interval: 5m, repeat_interval: 1h\n"
        "  muted in      nights\n"
    )
    assert cli.main([*command, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["receivers"] == ["a"]
    assert said["routes"][0]["group_labels"] == {"alertname": "Disk Full"}
    assert said["routes"][0]["repeat_interval_seconds"] == 3600


@pytest.mark.parametrize("action", ["show", "test"])
def test_a_tree_that_is_wrong_is_refused(action: str, tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "am.yml"
    file.write_text(WRONG)
    assert cli.main(["routes", action, "--config", str(file)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f'tocsin: {file}:2: route.receiver: undefined receiver "teem"\n{file}:3: ')
    assert cli.main(["routes", action, "--config", str(tmp_path / "none.yml")]) == 2
    assert "none.yml cannot be read" in capsys.readouterr().err


# --- of a server ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tocsin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("routes"), STRANGE) as tocsin:
        yield tocsin


def test_a_server_is_asked(tocsin: Serving, capsys: Output) -> None:
    assert cli.main(["routes", "test", "--url", tocsin.url, "team=db", "--explain"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("b\n\nb:\n  route ")
    assert cli.main(["routes", "show", "--url", tocsin.url]) == 0
    assert "(unreachable)" in capsys.readouterr().out


def test_the_silences_of_a_server_are_checked(tocsin: Serving, capsys: Output) -> None:
    posted: dict[str, Any] = {key: SILENCE[key] for key in ("comment", "createdBy", "startsAt", "endsAt", "matchers")}
    assert cli.main(["check-config", "--strict", "--url", tocsin.url]) == 0
    assert tocsin.post("/api/v2/silences?confirm=true", posted).status == 200
    capsys.readouterr()
    assert cli.main(["check-config", "--strict", "--url", tocsin.url]) == 1
    assert 'it has only zone!="a"' in capsys.readouterr().out


def test_a_server_that_does_not_answer(capsys: Output) -> None:
    assert cli.main(["routes", "show", "--url", "http://127.0.0.1:9"]) == 3
    assert cli.main(["routes", "show", "--url", "nonsense"]) == 2
    assert "is no address to speak to" in capsys.readouterr().err


# --- amtool agrees --------------------------------------------------------------------------------------------------

OLD_AND_NEW = """\
route:
  receiver: default
  routes:
  - match: {team: db}
    match_re: {severity: crit.*|page}
    receiver: dba
    continue: true
  - matchers: [team=~"db|web", severity!="info"]
    receiver: board
    routes:
    - {matchers: [zone=""], receiver: nowhere}
    - {matchers: ['zone!~"eu-.+"'], receiver: abroad, continue: true}
    - {matchers: [zone=~"us-.*"], receiver: us}
  - {matchers: [severity=~".+"], receiver: rest}
receivers: [{name: default}, {name: dba}, {name: board}, {name: nowhere}, {name: abroad}, {name: us}, {name: rest}]
"""

ALERTS: tuple[list[str], ...] = (
    [],
    ["team=db"],
    ["team=db", "severity=critical"],
    ["team=db", "severity=page", "zone=us-1"],
    ["team=web", "severity=info", "service=checkout"],
    ["severity=critical", "region=eu"],
    ["team=storage,db", "tier=1", "service=ceph"],
    ["alertname=Watchdog", "zone=de-1", "team=db"],
)


@pytest.mark.needs("amtool")
@pytest.mark.parametrize("name", ["small", "medium", "deep", "old and new", "strange"])
def test_amtool_routes_likewise(name: str, tmp_path: Path, capsys: Output, program: Callable[[str], Path]) -> None:
    texts = {"old and new": OLD_AND_NEW, "strange": STRANGE}
    file = EXAMPLES / f"{name}.yml"
    if name in texts:
        file = tmp_path / "am.yml"
        file.write_text(texts[name])
    for labels in ALERTS:
        command = ["config", "routes", "test", f"--config.file={file}", *labels]
        asked = subprocess.run([program("amtool"), *command], capture_output=True, text=True, timeout=30, check=True)
        assert cli.main(command[1:]) == 0
        assert capsys.readouterr().out == asked.stdout, labels


VARIANTS = {
    "clean": CLEAN,
    "strange": STRANGE,
    "old and new": OLD_AND_NEW,
    "wrong": WRONG,
    "empty": "",
    "no YAML": "route: [",
    "no receiver": "route: {}\nreceivers: [{name: a}]",
    "matchers at the root": "route: {receiver: a, matchers: [a=b]}\nreceivers: [{name: a}]",
    "the root continues": "route: {receiver: a, continue: true}\nreceivers: [{name: a}]",
    "a bad expression": "route: {receiver: a, routes: [{matchers: ['a=~*b']}]}\nreceivers: [{name: a}]",
    "no interval": "route: {receiver: a, routes: [{mute_time_intervals: [x]}]}\nreceivers: [{name: a}]",
    "an unknown key": "rout: {receiver: a}\nroute: {receiver: a}\nreceivers: [{name: a}]",
    "labels twice": "route: {receiver: a, group_by: [a, a]}\nreceivers: [{name: a}]",
}


@pytest.mark.needs("amtool")
@pytest.mark.parametrize("name", ["small", "medium", "deep", *VARIANTS])
def test_amtool_takes_and_refuses_the_same(
    name: str, tmp_path: Path, capsys: Output, program: Callable[[str], Path]
) -> None:
    file = tmp_path / "am.yml"
    file.write_text(VARIANTS[name] if name in VARIANTS else (EXAMPLES / f"{name}.yml").read_text())
    asked = subprocess.run(
        [program("amtool"), "check-config", file], capture_output=True, text=True, timeout=30, check=False
    )
    ours = cli.main(["check-config", str(file)])
    assert (asked.returncode, ours) in ((0, 0), (1, 2)), asked.stdout + asked.stderr
    said = capsys.readouterr().out
    # What amtool counts is counted likewise.
    for line in asked.stdout.splitlines():
        if line.startswith(" - "):
            assert f"{line}\n" in said
