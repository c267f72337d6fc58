"""Field docs: the strings under the fields of a class, which Python itself throws away."""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache


def field_docs(model: type) -> dict[str, str]:
    """What stands under each field of the class and its bases, on one line; empty where there is no source."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        found |= _of_module(base.__module__).get(base.__qualname__, {})
    return found


@cache
def _of_module(name: str) -> dict[str, dict[str, str]]:
    if name.partition(".")[0] not in ("domain", "endpoints"):
        return {}
    try:
        tree = ast.parse(inspect.getsource(sys.modules[name]))
    except (OSError, KeyError):
        return {}
    return {node.name: _of_class(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _of_class(node: ast.ClassDef) -> dict[str, str]:
    found = {}
    for declared, behind in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(declared, ast.AnnAssign)
            and isinstance(declared.target, ast.Name)
            and isinstance(behind, ast.Expr)
            and isinstance(behind.value, ast.Constant)
            and isinstance(behind.value.value, str)
        ):
            found[declared.target.id] = " ".join(inspect.cleandoc(behind.value.value).split())
    return found
