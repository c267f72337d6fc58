"""Selection: a pytest plugin that runs those tests of an SDK's own suite which a list names, and no others.

`SDIST_SELECTION` is a file of JSON: each test file's name to the names of its tests that are to run, and to the reason
why each of the others is not.  A test that is in neither, or a name that is no test, ends the run.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    selection = json.loads(Path(os.environ["SDIST_SELECTION"]).read_text(encoding="utf-8"))
    found: dict[str, set[str]] = defaultdict(set)
    kept, dropped, unknown = [], [], []
    for item in items:
        names = (item.name, getattr(item, "originalname", item.name))
        chosen = selection[item.path.name]
        found[item.path.name].update(names)
        if any(name in chosen["left_out"] for name in names):
            dropped.append(item)
        elif any(name in chosen["run"] for name in names):
            kept.append(item)
        else:
            unknown.append(f"{item.path.name}::{item.name} is neither to run nor left out")
    for file, chosen in selection.items():
        gone = {*chosen["run"], *chosen["left_out"]} - found[file]
        unknown += [f"{file}::{name} is no test" for name in sorted(gone)]
    if unknown:
        raise pytest.UsageError("\n".join(["the selection does not fit this version of the SDK:", *unknown]))
    config.hook.pytest_deselected(items=dropped)
    items[:] = kept
