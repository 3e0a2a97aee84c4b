#!/usr/bin/env bash
# Builds dist/ctr, one executable, and dist/sdk, the SDK as an npm package.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh build
mkdir -p dist
version=$(node -p 'require("./package.json").version')
revision=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
node_modules/.bin/bun build --compile --minify --bytecode \
  --no-compile-autoload-bunfig --no-compile-autoload-dotenv \
  --define "CTR_VERSION=\"$version\"" --define "CTR_REVISION=\"$revision\"" \
  packages/cli/src/main.ts --outfile dist/ctr >/dev/null
bash scripts/build-sdk.sh
echo "built dist/ctr ($(du -m dist/ctr | cut -f1) MB) and dist/sdk"
