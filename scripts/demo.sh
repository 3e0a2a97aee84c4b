#!/usr/bin/env bash
# From a registry to a running container, on a private containerd and a private registry that are stopped again.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh demo
bash scripts/build.sh
exec node_modules/.bin/bun scripts/demo.ts
