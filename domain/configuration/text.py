"""The text of a configuration as it may be shown: whoever can ask for it must not learn its secrets."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import yaml

HIDDEN = "<secret>"
"""What Alertmanager and amtool write for a secret, and read back without complaint."""

HIDDEN_URL = "http://hidden.invalid/<secret>"
"""The same where an address must stand, which amtool before 0.26 insists on; nobody will ever answer at this one."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

_NAMES = frozenset({"credentials", "key", "password", "secrets", "token", "token_id", "values"})
_ADDRESSES = frozenset({"api_url", "url", "webhook_url"})
_ENDINGS = ("_api_url", "_key", "_password", "_secret", "_token", "_token_id", "_webhook_url")
# Their values are nobody's secret, whatever their names; an address below the last three is a link for people.
_OPEN = frozenset(
    {
        "labels",
        "opsgenie_api_url",
        "telegram_api_url",
        "victorops_api_url",
        "webex_api_url",
        "actions",
        "images",
        "links",
    }
)


@lru_cache(maxsize=8)
def hide_secrets(text: str) -> str:
    """The same configuration with its secrets as `<secret>` and without its comments, which may hold some too.

    As Alertmanager shows it, a webhook's address is a secret.  The text must be one that `read_configuration` takes.
    """
    root = yaml.compose(text, Loader=_LOADER)
    if root is None:
        return ""
    for name, node in _pairs(root):
        if name in ("global", "receivers"):
            _hide_below(node, set())
    shown: str = yaml.serialize(root, Dumper=_DUMPER, allow_unicode=True, width=1_000_000)
    return shown


def _hide_below(node: yaml.Node, seen: set[int]) -> None:
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _hide_below(item, seen)
    for name, value in _pairs(node):
        if name in _OPEN:
            continue
        if name in _ADDRESSES:
            _hide(value, HIDDEN_URL)
        elif name in _NAMES or name.endswith(_ENDINGS):
            _hide(value, HIDDEN)
        elif name == "proxy_url" and isinstance(value, yaml.ScalarNode) and "@" in value.value:
            _hide(value, HIDDEN_URL)
        elif name == "proxy_connect_header":
            for _, header in _pairs(value):
                _hide(header, HIDDEN)
        else:
            _hide_below(value, seen)


def _hide(node: yaml.Node, hidden: str) -> None:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _hide(item, hidden)
    elif isinstance(node, yaml.ScalarNode) and node.value and node.tag != "tag:yaml.org,2002:null":
        node.tag, node.value, node.style = "tag:yaml.org,2002:str", hidden, None


def _pairs(node: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value), value
