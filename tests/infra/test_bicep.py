"""The reader of Bicep finds what is wrong; without this its silence about `infra/` would mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.infra.bicep import BicepError, read, unused
from tests.infra.deploying import Resource, Runtime, deploy
from tests.infra.resource_types import find_faults

MODULE = """
@secure()
param pepper string = ''
param size int = 1
resource r 'A/b@1' = { name: 'r', properties: { size: size } }
output id string = r.id
output told string = r.properties.told
output length int = length(pepper)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "module.bicep").write_text(MODULE)
    return tmp_path


def write(folder: Path, text: str) -> Path:
    file = folder / "main.bicep"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("param a string = {", "main.bicep:1: this is no Bicep", id="a brace that nothing closes"),
        pytest.param("\nvar a = b", "main.bicep:2: nothing is called b", id="a name that is not declared"),
        pytest.param("var a = 1\nvar a = 2", "a is declared twice", id="declared twice"),
        pytest.param("var a = b\nvar b = a", "needs itself", id="a circle"),
        pytest.param("param a string", "parameter a is not given", id="a parameter without a value"),
        pytest.param("param a int = 'x'", "a is to be int, and gets 'x'", id="another type"),
        pytest.param("@allowed(['x'])\nparam a string = 'y'", "'y' breaks allowed", id="a value that is not allowed"),
        pytest.param("@maxValue(3)\nparam a int = 4", "4 breaks maxValue 3", id="too much"),
        pytest.param(
            "var a = newGuid()", "no function newGuid is known", id="a function that the reader does not know"
        ),
        pytest.param("var a = { b: 1 }\nvar c = a.d", "there is no d in a", id="a property that is not there"),
        pytest.param("var a = { b: 1, b: 2 }", "b stands there twice", id="a property twice"),
        pytest.param("module m 'none.bicep' = {}", "there is no none.bicep", id="a module that is not there"),
        pytest.param(
            "module m 'module.bicep' = { params: { sise: 1 } }", "there is no parameter sise", id="a parameter misspelt"
        ),
        pytest.param(
            "module m 'module.bicep' = {}\nvar a = m.outputs.ids", "there is no ids", id="an output that is not there"
        ),
        pytest.param(
            "module m 'module.bicep' = {}\nvar a = [for x in m.outputs.told: x]",
            "not known before the deployment",
            id="a loop over what is not known yet",
        ),
        pytest.param(
            "resource a 'A/b@1' = { name: 'a' }\nresource b 'A/b@1' = { name: 'x${a.properties.y}' }",
            "<a.properties.y> is not known before",
            id="a name made of what is not known yet",
        ),
        pytest.param(
            "resource a 'A/b@1' = { name: 'a' }\nresource b 'A/b@1' = if (a.properties.y) { name: 'b' }",
            "not known before",
            id="a condition",
        ),
        pytest.param(
            "targetScope = 'subscription'\nmodule m 'module.bicep' = {}", "says which", id="a module without its scope"
        ),
        pytest.param(
            "@secure()\nparam s string = 'x'\nmodule m 'other.bicep' = { params: { name: 'a${s}' } }",
            "name gets a secret",
            id="a secret handed on as if it were none",
        ),
        pytest.param(
            "@secure()\nparam s string = 'x'\noutput o string = 'a${s}'", "output o tells a secret", id="a secret told"
        ),
    ],
)
def test_what_is_refused(folder: Path, text: str, complaint: str) -> None:
    (folder / "other.bicep").write_text("param name string\noutput name string = name\n")
    with pytest.raises(BicepError, match=complaint.replace("{", "\\{")):
        deploy(write(folder, text), {})


def test_what_is_known_and_what_is_not(folder: Path) -> None:
    text = "module m 'module.bicep' = { params: { size: 2 * 3, pepper: 'x' } }\n"
    text += "output id string = m.outputs.id\noutput told string = '${m.outputs.told}!'\n"
    found = deploy(write(folder, text), {})
    assert [(one.type, one.version, one.name, one.body) for one in found.resources] == [
        ("A/b", "1", "r", {"properties": {"size": 6}})
    ]
    assert found.outputs["id"].endswith("/providers/A/b/r")
    assert isinstance(found.outputs["told"], Runtime)


def test_loops_conditions_and_parents(folder: Path) -> None:
    text = """
    var names = ['x', 'y']
    resource top 'A/b@1' = { name: 'top' }
    resource inner 'A/b/c@1' = [for (x, i) in names: { parent: top, name: '${x}${i}', all: [for n in names: n] }]
    resource old 'A/d@1' existing = { name: 'old' }
    resource role 'R/s@1' = if (!empty(names)) { name: 'role', scope: top, of: old.id }
    resource none 'A/e@1' = if (length(names) == 3) { name: 'none' }
    """
    found = deploy(write(folder, text), {}).resources
    assert [one.name for one in found] == ["top", "top/x0", "top/y1", "role"]
    assert found[1].body == {"all": ["x", "y"]}
    assert found[1].id.endswith("/providers/A/b/top/c/x0")
    assert found[3].scope == found[0].id
    assert found[3].body["of"].endswith("/A/d/old")


def test_a_module_knows_what_it_is_given(folder: Path) -> None:
    (folder / "other.bicep").write_text("param name string\nresource r 'A/b@1' = { name: name }\n")
    text = "module m 'module.bicep' = {}\nmodule o 'other.bicep' = { params: { name: m.outputs.told } }"
    assert [one.name for one in deploy(write(folder, text), {}).resources] == ["r", "<r.properties.told>"]


def test_what_nothing_reads(folder: Path) -> None:
    assert unused(read(write(folder, "param a string\nvar b = 1\nvar c = b\noutput d int = c\nvar e = { a: 1 }"))) == {
        "a",
        "e",
    }


# --- schemas ----------------------------------------------------------------------------------------------------------

QUEUE = "Microsoft.ServiceBus/namespaces/queues"
PLAN = "Microsoft.Web/sites"


@pytest.mark.parametrize(
    ("resource_type", "version", "body", "fault"),
    [
        pytest.param(QUEUE, "2024-01-01", {"properties": {"requiresSession": True}}, "", id="nothing is wrong"),
        pytest.param(QUEUE, "2017-04-01", {}, "no type that is known", id="another version"),
        pytest.param(QUEUE, "2024-01-01", {"propertys": {}}, ".propertys is not in the schema", id="misspelt"),
        pytest.param(
            QUEUE, "2024-01-01", {"properties": {"requiresSession": "yes"}}, "is to be bool, and is 'yes'", id="a type"
        ),
        pytest.param(
            PLAN,
            "2024-11-01",
            {"location": "x", "properties": {"siteConfig": {"minTlsVersion": "0.9"}}},
            ".properties.siteConfig.minTlsVersion is to be one of 1.0, 1.1, 1.2, 1.3",
            id="a value, deep inside",
        ),
        pytest.param(PLAN, "2024-11-01", {}, ".location is missing", id="what must be there"),
        pytest.param(
            "Microsoft.DocumentDB/databaseAccounts",
            "2025-04-15",
            {"properties": {"databaseAccountOfferType": "Standard", "locations": [{"place": "x"}]}},
            ".properties.locations[0].place is not in the schema",
            id="in an array",
        ),
        pytest.param(
            "Microsoft.DocumentDB/databaseAccounts",
            "2025-04-15",
            {"properties": {"databaseAccountOfferType": "Standard", "locations": [], "backupPolicy": {"type": "No"}}},
            ".backupPolicy.type is to be one of Continuous, Periodic",
            id="one of several kinds",
        ),
        pytest.param(
            "Microsoft.Insights/metricAlerts",
            "2018-03-01",
            {"location": "global", "properties": {"severity": 1}},
            ".properties.enabled is missing",
            id="a schema of an SDK",
        ),
    ],
)
def test_schemas(resource_type: str, version: str, body: dict[str, object], fault: str) -> None:
    faults = find_faults(Resource(resource_type, version, "/".join("n" * resource_type.count("/")), body, "", "file"))
    assert fault in "\n".join(faults)
    assert bool(faults) == bool(fault)
