"""Recordings: what Alertmanager 0.25 paged in some scenarios, kept for when there is no Alertmanager at hand.

Each file holds its whole scenario, so a generator that changes makes none of them stale.  They are made by
`uv run python -m tests.differential --record --seeds 12` (and `--features all` for those that mute and those that
reload; the latter are named after their kind).
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from tests.differential import recording, scenario
from tests.differential.recording import Recording
from tests.differential.scenario import Scenario

FOLDER = Path(__file__).parent


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def keep(name: str, of: Scenario, recorded: Recording) -> Path:
    """Write the file of that name, over what it was."""
    parts = {
        "scenario": scenario.READER.dump_python(of, mode="json"),
        "recording": recording.READER.dump_python(replace(recorded, listings=()), mode="json"),
    }
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(parts, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def load(name: str) -> tuple[Scenario, Recording]:
    parts = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return scenario.READER.validate_python(parts["scenario"]), recording.READER.validate_python(parts["recording"])
