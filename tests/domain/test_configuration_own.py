"""What a `tocsin.yml` may say."""

from __future__ import annotations

import pytest

from domain.configuration.own import OwnConfiguration, read_own_configuration
from domain.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", OwnConfiguration(), id="nothing"),
        pytest.param("# later\n", OwnConfiguration(), id="a comment"),
        pytest.param("{}", OwnConfiguration(), id="an empty mapping"),
        pytest.param("compat:\n", OwnConfiguration(), id="null"),
        pytest.param("compat: strict\n", OwnConfiguration(compat="strict"), id="strict"),
        pytest.param("compat: 'mended'\n", OwnConfiguration(compat="mended"), id="mended"),
    ],
)
def test_what_it_says(text: str, expected: OwnConfiguration) -> None:
    assert read_own_configuration(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("\ncompat: lax", 'own.yml:2: compat: "lax" is neither mended nor strict', id="no choice"),
        pytest.param("compat: Strict", 'own.yml:1: compat: "Strict" is neither mended nor strict', id="in capitals"),
        pytest.param("compat: ''", 'own.yml:1: compat: "" is neither mended nor strict', id="empty"),
        pytest.param("compat: [strict]", "own.yml:1: compat: expected a text", id="a list"),
        pytest.param("# x\ncompart: strict", "own.yml:2: compart: unknown key", id="unknown key"),
        pytest.param("route: {receiver: a}", "own.yml:1: route: unknown key", id="Alertmanager's own file"),
        pytest.param("compat: strict\ncompat: mended", "own.yml:2: compat: duplicate key", id="a key twice"),
        pytest.param("strict", "own.yml:1: expected a mapping", id="no mapping"),
        pytest.param("compat: *x", "own.yml:1: found undefined alias", id="no YAML"),
    ],
)
def test_what_it_refuses(text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_own_configuration(text, name="own.yml")
    assert str(caught.value).splitlines() == [expected]
