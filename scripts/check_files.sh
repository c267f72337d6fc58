#!/usr/bin/env bash
# Lint what no Python runs: workflows, Dependabot, shell scripts, the Dockerfile: scripts/check_files.sh
# Asks nobody on the network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

run() { uv run --no-sync "$@"; }

# Not a glob: a file that Git does not know yet counts too, one that it ignores does not.
list() { git ls-files --cached --others --exclude-standard -- "$@"; }

mapfile -t workflows < <(list '.github/workflows/*.yml')
mapfile -t scripts < <(list '*.sh' .ci/run)

run actionlint "${workflows[@]}"
run check-jsonschema --quiet --builtin-schema vendor.github-workflows "${workflows[@]}"
run check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
run check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yaml
run zizmor --quiet --offline --persona pedantic .github
run shellcheck "${scripts[@]}"
run hadolint Dockerfile
run pre-commit validate-config
echo "${#workflows[@]} workflows, ${#scripts[@]} scripts, Dockerfile, Dependabot, pre-commit: nothing found"
