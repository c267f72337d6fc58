"""What the tests of reading a configuration share: short texts, and the complaints about them."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest

from domain.configuration import Configuration, WebhookIntegration
from domain.configuration.file import read_configuration
from domain.errors import ConfigurationError

SMALL = "route: {receiver: a}\nreceivers: [{name: a}]\n"


def read(text: str) -> Configuration:
    return read_configuration(dedent(text))


def complaints(text: str) -> list[str]:
    """Each problem as `line: key: message`."""
    with pytest.raises(ConfigurationError) as caught:
        read(text)
    return [f"{problem.line}: {problem.key}: {problem.message}" for problem in caught.value.problems]


def with_route(lines: str) -> str:
    """A configuration whose root has these lines, the first of them in line 3."""
    return f"route:\n  receiver: a\n{indent(dedent(lines), '  ')}\nreceivers: [{{name: a}}, {{name: b}}]\n"


def with_child(lines: str) -> str:
    """A configuration whose only child has these lines, the first of them in line 4."""
    return with_route("routes:\n- " + indent(dedent(lines), "  ").strip())


def with_webhook(lines: str) -> str:
    """A configuration whose only webhook has these lines, the first of them in line 5."""
    webhook = indent(dedent(lines), "    ").strip()
    return f"route: {{receiver: a}}\nreceivers:\n- name: a\n  webhook_configs:\n  - {webhook}\n"


def with_http(lines: str) -> str:
    """A configuration whose only webhook has these lines in its http_config, the first of them in line 7."""
    return with_webhook("url: http://x\nhttp_config:\n" + indent(dedent(lines), "  "))


def webhook(text: str) -> WebhookIntegration:
    (integration,) = read(text).receivers[0].integrations
    assert isinstance(integration, WebhookIntegration)
    return integration
