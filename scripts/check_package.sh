#!/usr/bin/env bash
# Build the package, start it as Azure would, and put it into one file: scripts/check_package.sh [FOLDER]
# Without a folder in one that is gone at the end; with one, FOLDER.zip is left beside it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

app="${1:-$folder/app}"
scripts/package.sh "$app"
# --system: a bare Python, not that of .venv, where everything would be found.
python="$(uv python find --system 3.13)"
"$python" -I -S scripts/pack.py "$app" "$app.zip"
"$python" -I -S scripts/check_package.py "$app" pyproject.toml
