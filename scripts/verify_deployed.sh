#!/usr/bin/env bash
# Does a Tocsin that was just deployed work, seen from outside?  scripts/verify_deployed.sh URL
#
# Without a key: it is there, it is ready, and it asks for one.  With TOCSIN_KEY in the environment, a key or a token that
# may ingest, read and respond: an alert comes in, is listed, is resolved, and is gone.  It is silenced before it comes, so
# nobody is paged.  Each step waits up to TOCSIN_PATIENCE seconds (default 120): the first one wakes the app.
# Needs curl and GNU date.
set -euo pipefail

url="${1:?usage: scripts/verify_deployed.sh URL}"
url="${url%/}"
patience="${TOCSIN_PATIENCE:-120}"
id="$(date +%s)-$$-$RANDOM"
answer="$(mktemp)"
silence=""

# The key by standard input: others on the machine can read a command line.
ask() {
    printf '%s' "${TOCSIN_KEY:+Authorization: Bearer $TOCSIN_KEY}" |
        curl --silent --show-error --max-time 60 --output "$answer" --write-out '%{http_code}' --header @- "$@" || true
}

fail() {
    echo "FAILED: $1" >&2
    if [ -s "$answer" ]; then head -c 1000 "$answer" >&2 && echo >&2; fi
    exit 1
}

cleanup() {
    if [ -n "$silence" ]; then ask --request DELETE "$url/api/v2/silence/$silence" >/dev/null; fi
    rm -f "$answer"
}
trap cleanup EXIT

# Until the answer has this status, and its body this text.
wait_for() {
    local what="$1" status="$2" text="$3" got="" deadline=$((SECONDS + patience))
    shift 3
    while :; do
        got="$(ask "$@")"
        if [ "$got" = "$status" ] && { [ -z "$text" ] || grep --quiet --fixed-strings -- "$text" "$answer"; }; then break; fi
        if [ "$SECONDS" -ge "$deadline" ]; then fail "$what: no answer $status ${text:+with $text }within $patience s, last $got"; fi
        sleep 1
    done
    echo "ok: $what"
}

send() {
    printf '[{"labels": {"alertname": "TocsinVerification", "tocsin_verification": "%s"}, "startsAt": "%s"%s}]' \
        "$id" "$began" "$1" >"$answer.body"
    wait_for "$2" 200 "" --header 'Content-Type: application/json' --data "@$answer.body" "$url/api/v2/alerts"
    rm -f "$answer.body"
}

list() {
    wait_for "$1" 200 "$2" --get --data-urlencode "filter=tocsin_verification=\"$id\"" "$url/api/v2/alerts"
}

instant() { date --utc --date "$1" +%Y-%m-%dT%H:%M:%SZ; }

wait_for "it is there" 200 "" "$url/-/healthy"
wait_for "it is ready" 200 "" "$url/-/ready"

# Nobody who has no key may read.
refused="$(TOCSIN_KEY="" ask "$url/api/v2/alerts")"
if [ "$refused" = 401 ]; then
    echo "ok: it asks for a key"
elif [ "${TOCSIN_OPEN:-}" != true ]; then
    fail "it lets anybody read ($refused); TOCSIN_OPEN=true if that is meant"
fi

if [ -z "${TOCSIN_KEY:-}" ] && [ "$refused" = 401 ]; then
    echo "no TOCSIN_KEY: an alert's way was not tried"
    exit 0
fi

began="$(instant now)"
printf '{"matchers": [{"name": "tocsin_verification", "value": "%s", "isRegex": false}], "startsAt": "%s", "endsAt": "%s",
 "createdBy": "verify_deployed.sh", "comment": "a first alert, that pages nobody"}' \
    "$id" "$began" "$(instant '10 minutes')" >"$answer.body"
wait_for "a silence is taken" 200 silenceID --header 'Content-Type: application/json' --data "@$answer.body" \
    "$url/api/v2/silences"
rm -f "$answer.body"
silence="$(sed -E 's/.*"silenceID": ?"([^"]+)".*/\1/' "$answer")"

send "" "an alert is taken"
list "it is listed, and silenced" "\"$silence\""
send ", \"endsAt\": \"$(instant now)\"" "its end is taken"
list "it is gone" "[]"
echo "$url works"
