#!/usr/bin/env bash
# Times our ctr against the Go ctr on one private containerd, interleaved. Needs root and what `setup.sh bench` installs.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh bench
[ -n "${CTR_BIN:-}" ] || bash scripts/build.sh
exec node_modules/.bin/bun bench/main.ts "$@"
