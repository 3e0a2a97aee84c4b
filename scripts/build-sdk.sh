#!/usr/bin/env bash
# Builds the SDK as an npm package: one ESM file lowered to what Node 20 runs, with its types. Goes to dist/sdk, or to
# the directory given.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-dist/sdk}
mkdir -p "$(dirname "$out")"
# Made beside its place and moved there whole: whoever uses the old one meanwhile sees no half.
fresh=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
chmod 755 "$fresh"
node_modules/.bin/bun build packages/client/src/sdk.ts --target node --format esm --outfile "$fresh/index.js" >/dev/null
node_modules/.bin/tsc -p scripts/tsconfig.sdk.json --outDir "$fresh/types"
node_modules/.bin/bun scripts/sdk-package.ts "$fresh"
rm -rf "$out"
mv "$fresh" "$out"
