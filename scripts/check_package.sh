#!/usr/bin/env bash
# Build the package into a folder of its own, and start it as Azure would: scripts/check_package.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

scripts/package.sh "$folder/app"
# --system: a bare Python, not that of .venv, where everything would be found.
"$(uv python find --system 3.13)" -I -S scripts/check_package.py "$folder/app" pyproject.toml
