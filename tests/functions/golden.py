"""Golden: what the Functions host is told of every function, as a file, so that a changed trigger is a visible diff.

`python -m tests.functions.golden` says whether it is up to date; with `--write` it is written anew.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from azure.functions.decorators.function_app import Function
from azure.functions.decorators.utils import StringifyEnumJsonEncoder

import function_app
from tests.functions.worker_check import functions_of

FILE = Path(__file__).with_name("metadata.json")
_RETRY = "retry_policy"


def render(functions: Iterable[Function]) -> str:
    """One line for each function, by name: its trigger, any other binding, its retry policy."""
    lines = {str(function.get_function_name()): _line(function) for function in functions}
    return "{\n" + ",\n".join(f"  {json.dumps(name)}: {lines[name]}" for name in sorted(lines)) + "\n}\n"


def _line(function: Function) -> str:
    trigger = function.get_trigger()
    assert trigger is not None
    told: dict[str, Any] = {"trigger": trigger.type}
    told |= {key: value for key, value in trigger.get_dict_repr().items() if key not in ("type", "direction")}
    others = [f"{binding.type} {binding.name}" for binding in function.get_bindings() if binding is not trigger]
    if others:
        told["bindings"] = others
    if policy := function.get_settings_dict(_RETRY):
        told["retry"] = {key: value for key, value in policy.items() if key != "setting_name"}
    return json.dumps(told, cls=StringifyEnumJsonEncoder)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.functions.golden", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {FILE.name} anew")
    options = parser.parse_args(arguments)
    rendered = render(functions_of(function_app.app))
    if options.write:
        FILE.write_text(rendered, encoding="utf-8")
    elif rendered != FILE.read_text(encoding="utf-8"):
        print(f"{FILE} is not what the app says: look at the difference, then --write", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
