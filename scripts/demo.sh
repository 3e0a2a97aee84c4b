#!/usr/bin/env bash
# From an archive and a registry to a running container with no daemon, in a store of its own that is removed again.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh demo
bash scripts/build.sh
exec node_modules/.bin/bun scripts/demo.ts
