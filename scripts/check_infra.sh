#!/usr/bin/env bash
# Ask checkov about what infra/ comes to, as ARM: scripts/check_infra.sh
# In an environment of its own, for it pins half of PyPI; it asks nobody on the network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

uv run --no-sync python -m tests.infra.arm "$folder"
uv tool run --quiet --python 3.13 checkov@3.3.30 --directory "$folder" --config-file infra/checkov.yaml
echo "checkov finds nothing"
