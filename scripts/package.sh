#!/usr/bin/env bash
# Build what is deployed to Azure Functions, with its packages inside: scripts/package.sh [FOLDER], default build/app.
# Built here and not on Azure: a remote build takes the dev group along, and has picked another Python.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

app="${1:-build/app}"
packages="$app/.python_packages/lib/site-packages"
rm -rf "$app"
mkdir -p "$packages"

uv export --quiet --locked --no-default-groups --no-emit-project --no-hashes --no-annotate --no-header \
    -o "$app/requirements.txt"
# The image of Functions for Python 3.13 has glibc 2.36, so wheels for 2.28 run there.
uv pip install --quiet --target "$packages" --python-version 3.13 --python-platform x86_64-manylinux_2_28 \
    --only-binary :all: --link-mode copy -r "$app/requirements.txt"

cp -R function_app.py host.json domain adapters endpoints "$app/"
find "$app" -name __pycache__ -type d -prune -exec rm -rf {} +

# Without one, azd leaves the bytecode out of what it uploads; with one it leaves out what stands there: nothing.
echo '# Everything here is deployed.' >"$app/.funcignore"

# The project itself is not installed, and asks for its version by its name.
version="$(uv version --short)"
info="$packages/tocsin-$version.dist-info"
mkdir "$info"
printf 'Metadata-Version: 2.1\nName: tocsin\nVersion: %s\n' "$version" >"$info/METADATA"

# The tree is read-only there, so what is not compiled here is compiled at each start; and unpacking changes the times
# that bytecode is checked by. It names the files as they lie there, in tracebacks too.
"$(uv python find --system 3.13)" -m compileall -q -j 0 --invalidation-mode unchecked-hash \
    -s "$app" -p /home/site/wwwroot "$app"

echo "$app: $(du -sh "$app" | cut -f1), of which packages $(du -sh "$packages" | cut -f1)"
