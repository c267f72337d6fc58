"""What Debian's amtool (0.25) accepts of a configuration, and what Tocsin does; where they differ on purpose, why."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.configuration_files import read_files
from domain.configuration.file import read_configuration
from domain.errors import RejectedError

pytestmark = pytest.mark.needs("amtool")

BEGIN = "route: {receiver: a}\nreceivers: [{name: a}]\n"

INTERVALS = """\
{}
null
{weekdays: }
{weekdays: []}
{weekdays: [null]}
{weekdays: ['']}
{weekdays: [monday, TUESDAY, 'wednesday:Friday']}
{weekdays: ['sunday:saturday']}
{weekdays: ['saturday:monday']}
{weekdays: [mon]}
{weekdays: [1]}
{weekdays: [' monday']}
{weekdays: ['monday:']}
{weekdays: ['monday:tuesday:friday']}
{weekdays: monday}
{weekdays: [monday], <<: {weekdays: [tuesday], location: UTC}}
{times: [{start_time: '09:00', end_time: '17:00'}]}
{times: [{start_time: 09:00, end_time: 24:00}]}
{times: [{start_time: '9:00', end_time: '17:00'}]}
{times: [{start_time: '09:00', end_time: '17:60'}]}
{times: [{start_time: '09:00', end_time: '24:01'}]}
{times: [{start_time: '22:00', end_time: '06:00'}]}
{times: [{start_time: '09:00', end_time: '09:00'}]}
{times: [{start_time: '24:00', end_time: '24:00'}]}
{times: [{start_time: '09:00'}]}
{times: [{start_time: '09:00', end_time: ''}]}
{times: [{start_time: '09:00', end_time: '17:00', zone: UTC}]}
{times: [null]}
{times: []}
{times: {start_time: '09:00', end_time: '17:00'}}
{days_of_month: [1, 31, '1:31', -1, '-31:-1']}
{days_of_month: [0]}
{days_of_month: [32]}
{days_of_month: [-32]}
{days_of_month: ['5:1']}
{days_of_month: ['-1:-3']}
{days_of_month: ['-1:1']}
{days_of_month: ['1:-27']}
{days_of_month: ['1:-28']}
{days_of_month: ['27:-1']}
{days_of_month: ['28:-1']}
{days_of_month: [1.5]}
{months: [1, january, 'January:3', 'march:DECEMBER', +2, 08]}
{months: ['0:13']}
{months: [jan]}
{months: ['november:february']}
{months: [0x1]}
{months: [1_2]}
{years: [2020, '2020:2030', '-5:99999']}
{years: ['2020:2019']}
{years: [99999999999999999999]}
{years: [twenty]}
{location: Europe/Berlin}
{location: europe/berlin}
{location: US/Pacific}
{location: EST}
{location: UTC}
{location: ''}
{location: null}
{location: Mars/Base}
{location: GMT+1}
{location: ../zoneinfo/UTC}
{location: Local}
{location: [UTC]}
{weekday: [monday]}
"""

NAMED = """\
time_intervals:
time_intervals: []
time_intervals: {}
time_intervals: [null]
time_intervals: [{}]
time_intervals: [{name: x}]
time_intervals: [{name: ''}]
time_intervals: [{name: x, time_intervals: null}]
time_intervals: [{name: x, time_intervals: {}}]
time_intervals: [{name: x, times: []}]
time_intervals: [{name: x}, {name: x}]
mute_time_intervals: [{name: x}, {name: x}]
{time_intervals: [{name: x}], mute_time_intervals: [{name: x}]}
{time_intervals: [{name: x}], mute_time_intervals: [{name: y}]}
mute_time_intervals: [{time_intervals: [{weekdays: [monday]}]}]
"""

ROUTES = """\
{mute_time_intervals: []}
{mute_time_intervals: [x]}
{active_time_intervals: [x]}
{routes: [{mute_time_intervals: [x, y, x], active_time_intervals: [x]}]}
{routes: [{routes: [{mute_time_intervals: [x]}]}]}
{routes: [{mute_time_intervals: [z]}]}
{routes: [{active_time_intervals: [z]}]}
{routes: [{routes: [{active_time_intervals: [z]}]}]}
{routes: [{active_time_intervals: ['']}]}
{routes: [{active_time_intervals: [null]}]}
{routes: [{active_time_intervals: x}]}
{routes: [{time_intervals: [x]}]}
"""

RULES = """\
{}
null
{source_match: {a: b}, target_match: {c: d}, equal: [x, x]}
{source_match: {a: 1, b: true, c: }}
{source_match: {'a b': b}}
{source_match: {a: [b]}}
{source_match: [a]}
{source_match_re: {a: 'b|c'}, target_match_re: {d: '(?i)e'}}
{source_match_re: {a: '['}}
{source_match_re: {a: }}
{target_match_re: {a-b: x}}
{source_matchers: ['a=b,c!=d', '{e=~"f.*"}', 'g!~h']}
{source_matchers: ['a=~[']}
{source_matchers: [a]}
{source_matchers: a=b}
{source_matchers: {a: b}}
{target_matchers: ['']}
{equal: [a, b_c]}
{equal: ['']}
{equal: ['a b']}
{equal: [größe]}
{equal: [null]}
{equal: a}
{name: x}
{sources: [{matchers: [a=b]}]}
{source: {a: b}}
"""

TEMPLATES = """\

[]
[null]
['']
x
[{}]
[1]
[good.tmpl]
[./good.tmpl, good.tmpl]
['*.tmpl']
['[g]ood.tm?l']
['[^a]ood.tmpl']
['[!a]ood.tmpl']
['g\\ood.tmpl']
['**/good.tmpl']
['sub/*.tmpl']
['*/*.tmpl']
['../*/good.tmpl']
['{good}.tmpl']
[missing.tmpl]
['missing/*.tmpl']
['[']
['[]']
['[a']
['[a-]']
['[^]']
['[]a]']
['[b-a]*']
['[^b-a]ood.tmpl']
['good\\']
[.]
[sub]
[bad.txt]
[function.txt]
[latin.txt]
[calls.txt]
[empty.txt]
[hidden]
['*idden']
"""

EXCEPTIONS = {
    "interval {weekdays: [null]}": "Alertmanager takes it for Sunday",
    "interval {times: [null]}": "Alertmanager takes it for a time that never comes",
    "interval {location: Local}": "another zone on each machine, and on Azure none that anybody meant",
    "named time_intervals: [null]": "Alertmanager takes it for an interval without a name",
    "rule null": "Alertmanager 0.25 crashes on it when it starts",
    "rule {equal: [null]}": "Alertmanager takes it for a label without a name",
    "rule {equal: ['a b']}": "since 0.28 a label may have any name",
    "rule {equal: [größe]}": "since 0.28 a label may have any name",
    "rule {name: x}": "0.34 knows it",
    "rule {sources: [{matchers: [a=b]}]}": "Alertmanager's main branch knows it",
    "templates [latin.txt]": "Alertmanager sends the bytes as they are, which no receiver takes",
    "templates [calls.txt]": "Alertmanager finds out when it is to notify",
}
"""Where amtool and Tocsin do not agree, and why that is meant."""


def cases() -> Iterator[tuple[str, str]]:
    for line in INTERVALS.splitlines():
        yield f"interval {line}", f"{BEGIN}time_intervals: [{{name: x, time_intervals: [{line}]}}]\n"
    for line in NAMED.splitlines():
        yield f"named {line}", BEGIN + (line[1:-1].replace(", mute", "\nmute") if line.startswith("{") else line) + "\n"
    for line in ROUTES.splitlines():
        names = "time_intervals: [{name: x}]\nmute_time_intervals: [{name: y}]\n"
        yield f"route {line}", f"route: {line.replace('{', '{receiver: a, ', 1)}\nreceivers: [{{name: a}}]\n{names}"
    for line in RULES.splitlines():
        yield f"rule {line}", f"{BEGIN}inhibit_rules: [{line}]\n"
    for line in TEMPLATES.splitlines():
        yield f"templates {line}", f"{BEGIN}templates: {line}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    (folder / "good.tmpl").write_text('{{ define "good" }}{{ .Status | toUpper }}{{ end }}')
    (folder / "sub").mkdir()
    (folder / "sub" / "more.tmpl").write_text(
        '{{ define "more" }}{{ template "good" . }}{{ end }}{{ define "good" }}x{{ end }}'
    )
    (folder / "bad.txt").write_text("{{ if }}")
    (folder / "function.txt").write_text("{{ frobnicate . }}")
    (folder / "latin.txt").write_bytes(b"gr\xf6\xdfe")
    (folder / "calls.txt").write_text('{{ template "nowhere" . }}')
    (folder / "empty.txt").write_text("")
    (folder / ".hidden").write_text("{{ if }}")
    return folder


@pytest.mark.parametrize(("name", "text"), [pytest.param(*case, id=case[0]) for case in cases()])
def test_they_agree(name: str, text: str, folder: Path, tmp_path: Path, program: Callable[[str], Path]) -> None:
    file = folder / f"{tmp_path.name}.yml"
    file.write_text(text)
    command = [str(program("amtool")), "check-config", str(file)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    complaint = refusal(file)
    agree = (checked.returncode == 0) is (complaint is None)
    assert agree is (name not in EXCEPTIONS), f"amtool: {checked.stdout}{checked.stderr}\ntocsin: {complaint}"


def refusal(file: Path) -> str | None:
    try:
        bundle = read_files(file)
        read_configuration(bundle.text, templates=bundle.templates)
    except RejectedError as error:
        return str(error)
    return None


def test_every_exception_is_a_case() -> None:
    assert EXCEPTIONS.keys() <= {name for name, _ in cases()}
