#!/usr/bin/env bash
# Fetch what /docs and /redoc show the OpenAPI document with, from the npm registry, into endpoints/assets/.
# The versions and their integrity (SHA-512, as in package-lock files) stand in endpoints/assets/VERSIONS; to take a newer
# one, change its line there and run this.  `--check` fetches nothing, and compares what is there with its checksums.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../endpoints/assets"

check() { # what is in the repository, unpacked, against SHA256SUMS
    for packed in *.gz; do
        printf '%s  %s\n' "$(gzip -dc "$packed" | sha256sum | cut -d' ' -f1)" "${packed%.gz}"
    done | diff -u SHA256SUMS - && echo "the assets are those of VERSIONS"
}

if [ "${1:-}" = "--check" ]; then
    check
    exit
fi

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

fetch() { # NAME VERSION INTEGRITY: unpack the package into $folder/NAME
    local archive
    archive="$(cd "$folder" && npm pack --silent "$1@$2")"
    local found
    found="sha512-$(openssl dgst -sha512 -binary "$folder/$archive" | base64 -w0)"
    if [ "$found" != "$3" ]; then
        echo "$1@$2 has the integrity $found, not $3" >&2
        exit 1
    fi
    mkdir "$folder/$1"
    tar -xzf "$folder/$archive" -C "$folder/$1" --strip-components=1
}

# -n: no time and no name in it, so that the same input gives the same bytes.
pack() { gzip -9 -n -c "$1" >"$2.gz"; }

while read -r name version integrity; do
    case "$name" in '' | '#'*) continue ;; esac
    fetch "$name" "$version" "$integrity"
done <VERSIONS

pack "$folder/swagger-ui-dist/swagger-ui-bundle.js" swagger-ui-bundle.js
pack "$folder/swagger-ui-dist/swagger-ui.css" swagger-ui.css
pack "$folder/redoc/bundles/redoc.standalone.js" redoc.standalone.js
cp "$folder/swagger-ui-dist/LICENSE" swagger-ui-dist.LICENSE
cp "$folder/swagger-ui-dist/NOTICE" swagger-ui-dist.NOTICE
cp "$folder/swagger-ui-dist/swagger-ui-bundle.js.LICENSE.txt" swagger-ui-bundle.js.LICENSE.txt
cp "$folder/redoc/LICENSE" redoc.LICENSE
cp "$folder/redoc/bundles/redoc.standalone.js.LICENSE.txt" redoc.standalone.js.LICENSE.txt
for packed in *.gz; do
    printf '%s  %s\n' "$(gzip -dc "$packed" | sha256sum | cut -d' ' -f1)" "${packed%.gz}"
done >SHA256SUMS
check
