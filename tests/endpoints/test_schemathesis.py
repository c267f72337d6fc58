"""Whatever the document says may be asked is answered as it says: no server error, nothing undocumented."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, cast

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.serving import Serving

EXAMPLES = int(os.environ.get("TOCSIN_SCHEMATHESIS_EXAMPLES", "2"))
"""So many right requests for each operation, and as many wrong ones; more find more, and take longer."""

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

SLOW = {"wait": "0"}
"""What would have a long poll wait for what does not come here."""


@pytest.fixture(scope="module")
def tocsin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("schemathesis")) as tocsin:
        assert (
            tocsin.post("/api/v2/alerts", [{"labels": {"alertname": "DiskFull", "severity": "critical"}}]).status == 200
        )
        yield tocsin


@pytest.mark.timeout(120 + 40 * EXAMPLES)
def test_every_answer_is_one_that_is_documented(tocsin: Serving) -> None:
    schema = schemathesis.openapi.from_url(f"{tocsin.url}/openapi.json")
    failures: list[str] = []
    count = 0
    with requests.Session() as session:
        for found in schema.get_all_operations():
            operation = cast(Any, found).ok()
            for mode in schemathesis.GenerationMode:
                try:
                    count += _check(operation, mode, session)
                except Unsatisfiable:
                    continue  # nothing can be said wrongly there
                except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - all failures are told at once
                    failures.append(f"{operation.label} ({mode.value}): {_words(error)}")
    assert not failures, "\n\n".join(failures)
    assert count >= EXAMPLES * 50, "hardly anything was asked"
    assert tocsin.get("/-/ready").status == 200


def _check(operation: Any, mode: schemathesis.GenerationMode, session: requests.Session) -> int:
    asked = 0

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        nonlocal asked
        asked += 1
        if isinstance(case.query, dict):
            case.query.update({name: value for name, value in SLOW.items() if name in case.query})
        response = case.call(session=session)
        # The dev host says the type of a body that is empty no more than Functions does.
        unsaid = [] if response.content else [content_type_conformance]
        case.validate_response(response, checks=CHECKS, excluded_checks=unsaid)

    ask()
    return asked


def _words(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "\n".join(_words(one) for one in error.exceptions)
    return f"{type(error).__name__}: {error}"
