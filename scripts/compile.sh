#!/usr/bin/env bash
# Compiles the executable: `compile.sh OUT FAILPOINTS REVISION`, the second true or false. Split into chunks, so that a
# command reads only the code it runs; the two no-autoload options keep bunfig.toml and .env of whatever directory the
# user is in from being looked at.
set -euo pipefail
cd "$(dirname "$0")/.."
exec node_modules/.bin/bun build --compile --minify --bytecode --format=esm --splitting \
  --no-compile-autoload-bunfig --no-compile-autoload-dotenv \
  --define "CTR_REVISION=\"$3\"" --define "CTR_FAILPOINTS=$2" \
  packages/cli/src/main.ts packages/engine/src/diff/apply-worker.ts --outfile "$1"
