#!/usr/bin/env bash
# Builds dist/ctr, one executable, and dist/sdk, the SDK as an npm package. `build.sh failpoints` builds
# dist/ctr-failpoints instead: the executable whose processes crash tests tell where to die.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh build
mkdir -p dist
revision=$(git rev-parse --short=12 HEAD 2>/dev/null || true)
out=dist/ctr failpoints=false
[ "${1:-}" != failpoints ] || out=dist/ctr-failpoints failpoints=true
bash scripts/compile.sh "$out" "$failpoints" "$revision" >/dev/null
if [ "$failpoints" = true ]; then
  echo "built $out"
  exit 0
fi
[ ! -e scripts/build-sdk.sh ] || bash scripts/build-sdk.sh
echo "built dist/ctr ($(du -m dist/ctr | cut -f1) MB) and dist/sdk"
