"""Configuration files on a disk: which ones a configuration names, and what a store keeps of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.configuration_files import own_beside, read_files, read_own, read_templates_of
from adapters.settings import Settings
from adapters.wiring import Ports, wire
from domain.configuration.own import OwnConfiguration
from domain.errors import ConfigurationError, RejectedError

BEGIN = "route: {receiver: a}\nreceivers: [{name: a}]\n"


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{{{{ define {name!r} }}}}{{{{ end }}}}".replace("'", '"'))


def names(folder: Path, *patterns: str) -> list[str]:
    text = f"templates: [{', '.join(repr(pattern) for pattern in patterns)}]"
    return [name for name, _ in read_templates_of(text, folder)]


# --- templates ------------------------------------------------------------------------------------------------------


def test_which_files_the_patterns_name(tmp_path: Path) -> None:
    write(tmp_path, "conf/b.tmpl", "conf/a.tmpl", "conf/.c.tmpl", "conf/x/d.tmpl", "conf/y/d.tmpl", "e.tmpl", "conf/f")
    conf = tmp_path / "conf"
    assert names(conf, "*.tmpl") == [".c.tmpl", "a.tmpl", "b.tmpl"]
    assert names(conf, "b.tmpl", "*.tmpl") == ["b.tmpl", ".c.tmpl", "a.tmpl"]
    assert names(conf, "*/*.tmpl") == ["x/d.tmpl", "y/d.tmpl"]
    assert names(conf, "**/*.tmpl") == ["x/d.tmpl", "y/d.tmpl"]
    assert names(conf, "../*.tmpl") == ["../e.tmpl"]
    assert names(conf, str(conf / "[ab].tmpl")) == [str(conf / "a.tmpl"), str(conf / "b.tmpl")]
    assert names(conf, "./x/d.tmpl", "x/d.tmpl") == ["x/d.tmpl"]
    assert names(conf, "nothing.tmpl", "nothing/*.tmpl", "f/*") == []


def test_their_text_is_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.tmpl").write_bytes("\ufeffgröße\r\n".encode())
    assert read_templates_of("templates: [a.tmpl]", tmp_path) == (("a.tmpl", "größe\r\n"),)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        pytest.param("sub", "is a directory", id="a folder"),
        pytest.param("gone", "no such file", id="a link to nothing"),
        pytest.param("latin.tmpl", "is not UTF-8", id="another encoding"),
    ],
)
def test_one_that_cannot_be_read_is_refused(tmp_path: Path, pattern: str, expected: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "latin.tmpl").write_bytes(b"gr\xf6\xdfe")
    with pytest.raises(RejectedError, match=f"(?i){pattern} .*{expected}"):
        names(tmp_path, pattern)


def test_a_configuration_is_read_with_them(tmp_path: Path) -> None:
    write(tmp_path, "a.tmpl")
    (tmp_path / "alertmanager.yml").write_text(f"{BEGIN}templates: ['*.tmpl']\n")
    bundle = read_files(tmp_path / "alertmanager.yml")
    assert bundle.text.startswith(BEGIN)
    assert [name for name, _ in bundle.templates] == ["a.tmpl"]
    with pytest.raises(RejectedError, match=r"none\.yml cannot be read"):
        read_files(tmp_path / "none.yml")


@pytest.fixture(params=["memory", "sqlite"])
async def homes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[list[Ports]]:
    """A home, and another one on the same data; memory has no other one."""
    settings = Settings.read({"TOCSIN_HOME": request.param, "TOCSIN_DATA": str(tmp_path / "data")})
    first = wire(settings)
    opened = [first]
    yield opened
    for home in opened:
        await home.close()


async def test_a_version_is_stored_whole(homes: list[Ports], tmp_path: Path) -> None:
    (home,) = homes
    templates = (("a.tmpl", '{{ define "a" }}größe{{ end }}'), ("b.tmpl", ""))
    text = f"{BEGIN}templates: ['*.tmpl']\n"
    pushed = await home.configurations.push(text, name="x", templates=templates)
    plain = await home.configurations.push(BEGIN, name="x")
    if home.settings.home == "sqlite":
        await home.close()
        home = homes[0] = wire(home.settings)
    stored = await home.configurations.get(pushed.version)
    assert (stored.version, stored.original, stored.templates) == (pushed.version, text, templates)
    assert stored == pushed
    stored = await home.configurations.get(plain.version)
    assert (stored.original, stored.templates) == (BEGIN, ())


async def test_other_templates_are_another_version(homes: list[Ports]) -> None:
    (home,) = homes
    text = f"{BEGIN}templates: ['*.tmpl']\n"
    versions = [
        (await home.configurations.push(text, name="x", templates=(("a.tmpl", body),))).version
        for body in ("one", "two", "one")
    ]
    assert versions[0] == versions[2] != versions[1]
    assert (await home.policy.get_head()).configuration_version == versions[0]


# --- tocsin.yml -----------------------------------------------------------------------------------------------------


def test_the_own_file_is_found_beside_the_other(tmp_path: Path) -> None:
    configuration = tmp_path / "alertmanager.yml"
    assert own_beside(None) is None
    assert own_beside(configuration) is None
    (tmp_path / "tocsin.yml").write_text("compat: strict")
    assert own_beside(configuration) == tmp_path / "tocsin.yml"
    assert read_own(tmp_path / "tocsin.yml") == OwnConfiguration(compat="strict")


@pytest.mark.parametrize(
    ("beside", "named", "environment", "expected"),
    [
        pytest.param(None, None, {}, "mended", id="the default"),
        pytest.param("compat: strict", None, {}, "strict", id="the file beside"),
        pytest.param("", None, {}, "mended", id="a file that says nothing"),
        pytest.param("compat: strict", "compat: mended", {}, "mended", id="a file that is named goes before"),
        pytest.param("compat: strict", None, {"TOCSIN_COMPAT": "mended"}, "mended", id="the environment wins"),
        pytest.param("compat: mended", None, {"TOCSIN_COMPAT": "strict"}, "strict", id="the environment wins, strict"),
    ],
)
def test_which_compat_is_in_force(
    tmp_path: Path, beside: str | None, named: str | None, environment: dict[str, str], expected: str
) -> None:
    variables = {"TOCSIN_CONFIGURATION": str(tmp_path / "alertmanager.yml"), **environment}
    if beside is not None:
        (tmp_path / "tocsin.yml").write_text(beside)
    if named is not None:
        (tmp_path / "named.yml").write_text(named)
        variables["TOCSIN_OWN_CONFIGURATION"] = str(tmp_path / "named.yml")
    assert Settings.read(variables).compat == expected


def test_a_wrong_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tocsin.yml").write_text("\ncompat: lax\n")
    variables = {"TOCSIN_CONFIGURATION": str(tmp_path / "alertmanager.yml")}
    with pytest.raises(ConfigurationError, match=r'tocsin\.yml:2: compat: "lax" is neither mended nor strict'):
        Settings.read(variables)
    with pytest.raises(RejectedError, match="cannot be read"):
        Settings.read({"TOCSIN_OWN_CONFIGURATION": str(tmp_path / "none.yml")})


async def test_a_reload_says_what_waits_for_a_restart(tmp_path: Path) -> None:
    (tmp_path / "alertmanager.yml").write_text(BEGIN)
    own = tmp_path / "tocsin.yml"
    home = wire(Settings.read({"TOCSIN_HOME": "memory", "TOCSIN_CONFIGURATION": str(tmp_path / "alertmanager.yml")}))
    assert (await home.configurations.reload())[1] == ""
    own.write_text("compat: strict")
    _, notice = await home.configurations.reload()
    assert notice == f"compat in {own} is strict now, and was not set: the next start heeds it"
    assert not (await home.configurations.gather()).is_strict
    own.write_text("compat: lax")
    with pytest.raises(ConfigurationError, match="lax"):
        await home.configurations.reload()
    own.unlink()
    assert (await home.configurations.reload())[1] == ""
    await home.close()


# --- tocsin.yml -----------------------------------------------------------------------------------------------------


def test_the_tables_of_a_tocsin_yml_lie_beside_it(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "services.csv").write_bytes("\ufeffservice,team\r\ncheckout,shop\r\n".encode())
    file = tmp_path / "tocsin.yml"
    file.write_text("sources: [{kind: zabbix, lookup: [{file: tables/services.csv, match: service, labels: team}]}]")
    (lookup,) = read_own(file).sources.find("zabbix", "default").lookups
    row = lookup.find({"service": "checkout"})
    assert row is not None
    assert (row.labels, row.place) == ({"team": "shop"}, "line 2")


def test_a_table_that_is_not_there_is_told_where_it_is_named(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.yml"
    file.write_text("sources:\n- kind: zabbix\n  lookup: [{file: gone.csv, match: service}]")
    with pytest.raises(ConfigurationError) as caught:
        read_own(file)
    place = f"{file}:3: sources[0].lookup[0].file"
    assert str(caught.value) == f"{place}: {tmp_path / 'gone.csv'} cannot be read: No such file or directory"
