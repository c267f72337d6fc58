"""ARM: what `infra/` comes to, as the JSON that Azure takes; for scanners that do not read Bicep well.

`python -m tests.infra.arm FOLDER`
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.infra.deploying import Value
from tests.infra.deployments import PARAMETERS, deployed

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"


def render(name: str) -> dict[str, Value]:
    """The deployment with these parameters as one flat template."""
    resources = [
        {"type": one.type, "apiVersion": one.version, "name": one.name, **one.body} for one in deployed(name).resources
    ]
    return {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": resources}


def main(folder: Path) -> None:
    """Write one file for each set of parameters."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PARAMETERS:
        (folder / f"{name}.json").write_text(json.dumps(render(name), indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
