#!/usr/bin/env bash
# Builds dist/ctr, one executable, and dist/sdk, the SDK as an npm package. `build.sh failpoints` builds
# dist/ctr-failpoints instead: the executable whose processes crash tests tell where to die.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh build
mkdir -p dist
CTR_REVISION=$(git rev-parse --short=12 HEAD 2>/dev/null || true) node_modules/.bin/bun scripts/build.ts "$@"
if [ "${1:-}" = failpoints ]; then
  echo "built dist/ctr-failpoints"
  exit 0
fi
[ ! -e scripts/build-sdk.sh ] || bash scripts/build-sdk.sh
echo "built dist/ctr ($(du -m dist/ctr | cut -f1) MB) and dist/sdk"
