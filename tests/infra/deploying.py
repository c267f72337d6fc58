"""Deploying: what a template of Bicep with its modules comes to, worked out without Azure.

Of the language and its functions only what `infra/` uses is known, and anything else is refused.  What the deployment
alone knows (an address, a principal) stands as a `Runtime`, and what came from a `@secure()` parameter as a `Secret`.
"""

from __future__ import annotations

import ast
import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tree_sitter import Node

from tests.infra.bicep import BicepError, Declaration, Template, named, read, text_of

type Value = Any
"""A str, int, bool, None, list or dict, or one of the classes below."""

type Scope = Mapping[str, Value]

SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000000"
GROUP = f"{SUBSCRIPTION}/resourceGroups/rg"


class Runtime(str):
    """Known to the deployment only; its text says what it is."""

    template: str
    """In which file nobody knows it before; to a module that gets it, it is as known as any parameter."""

    def __new__(cls, text: str, template: str) -> Runtime:
        made = super().__new__(cls, text)
        made.template = template
        return made


class Secret(str):
    """From a `@secure()` parameter, or made of such a one."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What would be deployed, or is referred to."""

    type: str
    version: str
    name: str
    body: Mapping[str, Value]
    """Its properties as in ARM, without `name`, `parent`, `scope` and `dependsOn`."""
    scope: str
    """The id of what it is said of, as a role is; else `""`."""
    file: str

    @property
    def id(self) -> str:
        provider, *kinds = self.type.split("/")
        pairs = "/".join(f"{kind}/{part}" for kind, part in zip(kinds, self.name.split("/"), strict=True))
        return f"{self.scope or GROUP}/providers/{provider}/{pairs}"


@dataclass(frozen=True, slots=True)
class Deployed:
    """What one template with its modules comes to."""

    resources: list[Resource]
    outputs: dict[str, Value]


def deploy(path: Path, parameters: Mapping[str, Value]) -> Deployed:
    """What the template and its modules would deploy.

    Raises:
        BicepError: A name is not declared, a module or function is called wrongly, a value is not allowed.
    """
    return _Deployment(read(path), parameters).run()


class _Deployment:
    def __init__(self, template: Template, given: Mapping[str, Value]) -> None:
        self.template = template
        self.resources: list[Resource] = []
        self._given = given
        self._known: dict[str, Value] = {}
        self._asked: list[str] = []
        if strangers := given.keys() - {one.name for one in template.of_kind("param")}:
            raise BicepError(f"{template.path.name}: there is no parameter {', '.join(sorted(strangers))}")

    def run(self) -> Deployed:
        for name in self.template.declarations:
            self._value_of(name)
        outputs = {name: self._evaluate(named(one.node)[-1], {}) for name, one in self.template.outputs.items()}
        for name, value in outputs.items():
            if isinstance(value, Secret) and value:
                raise self.template.fail(self.template.outputs[name].node, f"output {name} tells a secret")
        return Deployed(self.resources, outputs)

    # --- declarations -----------------------------------------------------------------------------------------------

    def _value_of(self, name: str) -> Value:
        if name not in self._known:
            if name in self._asked:
                raise BicepError(f"{self.template.path.name}: {name} needs itself")
            self._asked.append(name)
            declaration = self.template.declarations[name]
            evaluate: Callable[[Declaration], Value] = getattr(self, f"_{declaration.kind}")
            self._known[name] = evaluate(declaration)
            self._asked.pop()
        return self._known[name]

    def _param(self, declaration: Declaration) -> Value:
        children = named(declaration.node)
        if declaration.name in self._given:
            value = self._given[declaration.name]
        elif len(children) > 2:
            value = self._evaluate(children[2], {})
        else:
            raise self.template.fail(declaration.node, f"parameter {declaration.name} is not given")
        self._check_param(declaration, text_of(children[1]), value)
        if "secure" in declaration.decorators:
            return Secret(value)
        if isinstance(value, Secret) and value:
            raise self.template.fail(declaration.node, f"{declaration.name} gets a secret and is not @secure()")
        return value

    def _check_param(self, declaration: Declaration, kind: str, value: Value) -> None:
        python = {"string": str, "int": int, "bool": bool, "object": dict, "array": list, "string[]": list}
        if kind not in python:
            raise self.template.fail(declaration.node, f"what is a {kind}?")
        if not isinstance(value, Runtime) and type(value) not in (python[kind], Secret):
            raise self.template.fail(declaration.node, f"{declaration.name} is to be {kind}, and gets {value!r}")
        bounds = {
            name: self._evaluate(named(named(call)[1])[0], {})
            for name, call in declaration.decorators.items()
            if name not in ("secure", "description")
        }
        is_good: dict[str, Callable[[Value], bool]] = {
            "allowed": lambda bound: value in bound,
            "minValue": lambda bound: value >= bound,
            "maxValue": lambda bound: value <= bound,
            "minLength": lambda bound: len(value) >= bound,
            "maxLength": lambda bound: len(value) <= bound,
        }
        for name, bound in bounds.items():
            if not is_good[name](bound):
                raise self.template.fail(declaration.node, f"{declaration.name}: {value!r} breaks {name} {bound!r}")

    def _var(self, declaration: Declaration) -> Value:
        return self._evaluate(named(declaration.node)[1], {})

    def _resource(self, declaration: Declaration) -> Value:
        _, spelt, body = named(declaration.node)
        resource_type, _, version = self._evaluate(spelt, {}).partition("@")
        is_existing = any(
            child.type == "existing" or text_of(child) == "existing" for child in declaration.node.children
        )

        def make(node: Node, scope: Scope) -> Resource | None:
            if (node := self._if_wanted(node, scope)) is None:  # type: ignore[assignment]
                return None
            given = dict(self._evaluate(node, scope))
            parent, extended = given.pop("parent", None), given.pop("scope", None)
            given.pop("dependsOn", None)
            own = self._known_before(node, given.pop("name"))
            name = f"{parent.name}/{own}" if parent else own
            made = Resource(
                resource_type, version, name, given, extended.id if extended else "", self.template.path.name
            )
            if not is_existing:
                self.resources.append(made)
            return made

        return self._one_or_many(body, make)

    def _module(self, declaration: Declaration) -> Value:
        _, spelt, body = named(declaration.node)
        path = (self.template.path.parent / self._evaluate(spelt, {})).resolve()
        if not path.is_file():
            raise self.template.fail(declaration.node, f"there is no {path.name}")

        def make(node: Node, scope: Scope) -> dict[str, Value] | None:
            if (node := self._if_wanted(node, scope)) is None:  # type: ignore[assignment]
                return None
            given = dict(self._evaluate(node, scope))
            if strangers := given.keys() - {"params", "scope", "name"}:
                raise self.template.fail(node, f"a module has no {', '.join(sorted(strangers))}")
            crosses = read(path).target_scope != self.template.target_scope
            if crosses != ("scope" in given):
                raise self.template.fail(node, "a module of another scope says which, and no other does")
            deployed = deploy(path, given.get("params", {}))
            self.resources += deployed.resources
            return {"outputs": {name: self._unknown(value) for name, value in deployed.outputs.items()}}

        return self._one_or_many(body, make)

    def _unknown(self, value: Value) -> Value:
        # Bicep knows no output before its module is deployed, whatever it is made of.
        return Runtime(value, self.template.path.name) if isinstance(value, str) else value

    def _if_wanted(self, node: Node, scope: Scope) -> Node | None:
        if node.type != "if_statement":
            return node
        condition, body = named(node)
        return body if self._known_before(condition, self._evaluate(condition, scope)) else None

    def _known_before(self, node: Node, value: Value) -> Value:
        """The value, of which names, conditions and loops are made: before anything is deployed."""
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        for one in (value, *inner):
            if isinstance(one, Runtime) and one.template == self.template.path.name:
                raise self.template.fail(node, f"{one} is not known before the deployment")
            if one is not value:
                self._known_before(node, one)
        return value

    def _one_or_many(self, body: Node, make: Callable[[Node, Scope], Value]) -> Value:
        if body.type != "for_statement":
            return make(body, {})
        return [make(inner, scope) for inner, scope in self._loop(body, {})]

    def _loop(self, node: Node, scope: Scope) -> Iterator[tuple[Node, Scope]]:
        names, over, body = named(node)
        spelt = [text_of(name) for name in named(names)] if names.type == "for_loop_parameters" else [text_of(names)]
        found = self._known_before(node, self._evaluate(over, scope))
        if isinstance(found, str):
            raise self.template.fail(node, "a loop goes over an array")
        for index, value in enumerate(found):
            yield body, {**scope, **dict(zip(spelt, (value, index), strict=False))}

    # --- expressions ------------------------------------------------------------------------------------------------

    def _evaluate(self, node: Node, scope: Scope) -> Value:
        try:
            evaluate: Callable[[Node, Scope], Value] = getattr(self, f"_{node.type}")
        except AttributeError:
            raise self.template.fail(node, f"what is a {node.type}?") from None
        return evaluate(node, scope)

    def _identifier(self, node: Node, scope: Scope) -> Value:
        name = text_of(node)
        if name in scope:
            return scope[name]
        if name not in self.template.declarations:
            raise self.template.fail(node, f"nothing is called {name}")
        return self._value_of(name)

    def _number(self, node: Node, scope: Scope) -> int:
        return int(text_of(node))

    def _boolean(self, node: Node, scope: Scope) -> bool:
        return text_of(node) == "true"

    def _null(self, node: Node, scope: Scope) -> None:
        return None

    def _string(self, node: Node, scope: Scope) -> str:
        parts: list[Value] = []
        for child in named(node):
            if child.type == "interpolation":
                parts.append(self._evaluate(named(child)[0], scope))
            elif child.type == "escape_sequence":
                parts.append(ast.literal_eval(f'"{text_of(child)}"').replace("\\$", "$"))
            else:
                parts.append(text_of(child))
        for part in parts:
            if not isinstance(part, str | int):
                raise self.template.fail(node, f"{type(part).__name__} is no part of a text")
        text = "".join(map(str, parts))
        if any(isinstance(part, Secret) for part in parts):
            return Secret(text)
        templates = {part.template for part in parts if isinstance(part, Runtime)}
        if templates:
            here = self.template.path.name
            return Runtime(text, here if here in templates else templates.pop())
        return text

    def _array(self, node: Node, scope: Scope) -> list[Value]:
        return [self._evaluate(child, scope) for child in named(node)]

    def _object(self, node: Node, scope: Scope) -> dict[str, Value]:
        made: dict[str, Value] = {}
        for child in named(node):
            name, value = named(child)
            key = text_of(name) if name.type == "identifier" else self._evaluate(name, scope)
            if key in made:
                raise self.template.fail(child, f"{key} stands there twice")
            made[key] = self._evaluate(value, scope)
        return made

    def _for_statement(self, node: Node, scope: Scope) -> list[Value]:
        return [self._evaluate(body, inner) for body, inner in self._loop(node, scope)]

    def _parenthesized_expression(self, node: Node, scope: Scope) -> Value:
        return self._evaluate(named(node)[0], scope)

    def _ternary_expression(self, node: Node, scope: Scope) -> Value:
        condition, yes, no = named(node)
        return self._evaluate(yes if self._evaluate(condition, scope) else no, scope)

    def _unary_expression(self, node: Node, scope: Scope) -> Value:
        if text_of(node.children[0]) != "!":
            raise self.template.fail(node, "only ! is known")
        return not self._evaluate(named(node)[-1], scope)

    def _binary_expression(self, node: Node, scope: Scope) -> Value:
        left, right = (self._evaluate(child, scope) for child in named(node))
        operators: dict[str, Callable[[], Value]] = {
            "==": lambda: left == right,
            "!=": lambda: left != right,
            ">": lambda: left > right,
            "*": lambda: left * right,
            "-": lambda: left - right,
            "&&": lambda: left and right,
            "||": lambda: left or right,
        }
        (operator,) = (text_of(child) for child in node.children if not child.is_named)
        if operator not in operators:
            raise self.template.fail(node, f"{operator} is not known")
        return operators[operator]()

    def _member_expression(self, node: Node, scope: Scope) -> Value:
        of, name = self._evaluate(named(node)[0], scope), text_of(named(node)[-1])
        if isinstance(of, Resource):
            known = {"id": of.id, "name": of.name.split("/")[-1]}
            return known[name] if name in known else Runtime(f"<{of.name}.{name}>", self.template.path.name)
        if isinstance(of, Runtime):
            return Runtime(f"{of[:-1]}.{name}>", of.template)
        if not isinstance(of, dict) or name not in of:
            raise self.template.fail(node, f"there is no {name} in {text_of(named(node)[0])}")
        return of[name]

    def _call_expression(self, node: Node, scope: Scope) -> Value:
        name = text_of(named(node)[0])
        if name not in FUNCTIONS:
            raise self.template.fail(node, f"no function {name} is known")
        return FUNCTIONS[name](*[self._evaluate(child, scope) for child in named(named(node)[1])])


def _union(*objects: dict[str, Value]) -> dict[str, Value]:
    return {name: value for one in objects for name, value in one.items()}


FUNCTIONS: Mapping[str, Callable[..., Value]] = {
    "empty": lambda value: not value,
    "environment": lambda: {"resourceManager": "https://management.azure.com/"},
    "guid": lambda *parts: str(uuid.uuid5(uuid.NAMESPACE_URL, "|".join(parts))),
    "length": len,
    "resourceGroup": lambda: {"id": GROUP, "name": "rg", "location": "westeurope"},
    "split": lambda text, by: text.split(by),
    "subscription": lambda: {"id": SUBSCRIPTION, "tenantId": "11111111-1111-1111-1111-111111111111"},
    "subscriptionResourceId": lambda kind, name: f"{SUBSCRIPTION}/providers/{kind}/{name}",
    "take": lambda text, count: text[:count],
    "union": _union,
    "uniqueString": lambda *parts: hashlib.sha256("|".join(parts).encode()).hexdigest()[:13],
}
