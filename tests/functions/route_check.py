"""Which function answers a path: the host takes the first that fits, by the function's name.

It sorts by the names of the functions, whatever their routes (`OrderBy(f => f.Name, OrdinalIgnoreCase)`): `orders/{id}`
of get_order answers `orders/search` of search_orders.  See Azure/azure-functions-host #3153 and #9876.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

from azure.functions.decorators.function_app import Function

_PARAMETER = re.compile(
    r"\{(?P<star>\*{0,2})(?P<name>\w+)(?P<constraints>(?::\w+(?:\([^)]*\))?)*)(?P<default>=[^}?]*)?(?P<optional>\?)?\}"
)
# What a constraint takes, and a value that it takes and few others do.
_CONSTRAINTS = {
    "": (r"[^/]+", "zz9~"),
    "alpha": (r"[A-Za-z]+", "zzz"),
    "bool": (r"true|false", "true"),
    "decimal": (r"-?\d+(?:\.\d+)?", "7.5"),
    "double": (r"-?\d+(?:\.\d+)?", "7.5"),
    "float": (r"-?\d+(?:\.\d+)?", "7.5"),
    "guid": (r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "00000000-0000-0000-0000-000000000000"),
    "int": (r"-?\d+", "7"),
    "long": (r"-?\d+", "7"),
}
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_OF_THE_HOST = {"admin", "runtime"}


@dataclass(frozen=True)
class _Route:
    function: str
    template: str
    methods: frozenset[str]
    pattern: re.Pattern[str]
    samples: tuple[str, ...]

    def answers(self, method: str, path: str) -> bool:
        return method in self.methods and self.pattern.fullmatch(path) is not None


def check_routes(functions: Iterable[Function], prefix: str) -> list[str]:
    """The routes, `prefix` (of host.json) before them, that another function answers in part or wholly, or the host."""
    problems, routes = [], []
    # Upper case, as the host compares: it puts `_` behind the letters.
    for function in sorted(functions, key=lambda function: str(function.get_function_name()).upper()):
        trigger: Any = function.get_trigger()
        if trigger.type != "httpTrigger":
            continue
        try:
            routes.append(_route(str(function.get_function_name()), trigger, prefix))
        except ValueError as error:
            problems.append(f"{function.get_function_name()}: {error}")
    for route in routes:
        if route is routes[-1] and route.template.startswith("{*"):
            continue  # what is left over by all others is meant to be its
        if route.template.split("/")[0].lower() in _OF_THE_HOST:
            problems.append(f"{route.function}: {route.template} is the host's own")
        shadows = {
            (method, other.function, other.template)
            for method, path in product(route.methods, route.samples)
            if (other := next(r for r in routes if r.answers(method, path))) is not route
        }
        for method, other_function, other_template in sorted(shadows):
            problems.append(
                f"{route.function}: {method} {route.template} is answered by {other_function} ({other_template})"
            )
    return problems


def _route(function: str, trigger: Any, prefix: str) -> _Route:
    template = "/".join(part for part in (prefix.strip("/"), (trigger.route or function).strip("/")) if part)
    pattern, full, short = "", "", ""
    for segment in template.split("/"):
        whole = _PARAMETER.fullmatch(segment)
        may_lack = whole is not None and bool(whole["star"] or whole["default"] or whole["optional"])
        taken, sample = _segment(segment)
        pattern += f"(?:/{taken})?" if may_lack else f"/{taken}"
        full += f"/{sample}"
        short += "" if may_lack else f"/{sample}"
    methods = frozenset(getattr(method, "value", method) for method in trigger.methods or ()) or _METHODS
    compiled = re.compile(pattern + "/?", re.IGNORECASE)
    return _Route(function, template, methods, compiled, tuple({full, short or "/"}))


def _segment(segment: str) -> tuple[str, str]:
    pattern, sample, at = "", "", 0
    for match in _PARAMETER.finditer(segment):
        literal = segment[at : match.start()]
        taken, value = (".*", "zz9~/zz9~") if match["star"] else _constraint(match["constraints"])
        pattern += f"{re.escape(literal)}(?:{taken})"
        sample += literal + value
        at = match.end()
    rest = segment[at:]
    if "{" in rest:
        raise ValueError(f"{segment!r} is no route template")
    return pattern + re.escape(rest), sample + rest


def _constraint(text: str) -> tuple[str, str]:
    name = text.removeprefix(":")
    if name not in _CONSTRAINTS:
        raise ValueError(f"the constraint {name!r} is not known to this check")
    return _CONSTRAINTS[name]
