#!/usr/bin/env bash
# The whole gate: set-up, format, lint, types, import arrows, generated code, build, unit and end-to-end tests.
# `test.sh long` runs the counts too long for every change. Ends with `N passed, N failed`.
set -uo pipefail
cd "$(dirname "$0")/.."
bun=$PWD/node_modules/.bin/bun
passed=0 failed=0 skipped=0

step() { # title, command…
  local title=$1 log code=0
  shift
  log=$(mktemp)
  echo "== $title"
  "$@" >"$log" 2>&1 || code=$?
  if [ "$code" = 0 ]; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    cat "$log"
    echo "-- failed: $title (exit $code)"
  fi
  rm -f "$log"
  return "$code"
}

# Runs test files and adds what bun counted; a run that counts nothing, or dies, is a failure of its own.
tests() { # title, bun test arguments…
  local title=$1 log code=0 ok bad
  shift
  log=$(mktemp)
  echo "== $title"
  # CTR_E2E_RECORD=directory: what `npm run parity` reads.
  "$bun" test ${CTR_E2E_RECORD:+--preload ./e2e/support/record.ts} "$@" >"$log" 2>&1 || code=$?
  ok=$(awk '/^ *[0-9]+ pass$/ {n = $1} END {print n + 0}' "$log")
  bad=$(awk '/^ *[0-9]+ fail$/ {n = $1} END {print n + 0}' "$log")
  skipped=$((skipped + $(awk '/^ *[0-9]+ skip$/ {n = $1} END {print n + 0}' "$log")))
  if [ "$code" != 0 ] && [ "$bad" = 0 ] || [ "$ok" = 0 ]; then bad=$((bad + 1)); fi
  if [ "$bad" != 0 ]; then cat "$log"; else grep -E '^\(skip\)|^ *[0-9]+ (pass|skip)$|^Ran ' "$log"; fi
  passed=$((passed + ok)) failed=$((failed + bad))
  rm -f "$log"
}

finish() {
  echo
  echo "$passed passed, $failed failed$([ "$skipped" = 0 ] || echo ", $skipped skipped")"
  [ "$failed" = 0 ]
  exit
}

bash scripts/setup.sh test || { failed=1; finish; }
step "format and lint" node_modules/.bin/biome check --error-on-warnings .
step "types" node_modules/.bin/tsc --noEmit -p tsconfig.json
step "generated code is up to date" bash scripts/generate.sh check
step "pages of the commands are up to date" "$bun" scripts/docs.ts check
step "build" bash scripts/build.sh || finish
step "test build, with failpoints" bash scripts/build.sh failpoints || finish

if [ "${1:-}" = long ]; then
  export CTR_TEST_LONG=1
  tests "long tests" --timeout 3600000 ./e2e/rpc ./e2e/crash ./e2e/engine
  finish
fi
tests "unit tests" --timeout 20000 packages scripts
tests "end-to-end tests" --timeout 120000 $(find e2e -name '*.e2e.test.ts' | sort)
for engine in embedded serve; do
  CTR_E2E_ENGINE=$engine tests "tutorial and differential suite, engine: $engine" --timeout 120000 ./e2e/tutorial ./e2e/differential
done
finish
