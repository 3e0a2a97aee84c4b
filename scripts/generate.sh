#!/usr/bin/env bash
# Generates TypeScript from the .proto files of `rpc` and `api`. `generate.sh check` generates into a temporary
# directory instead and fails when the committed code differs.
set -euo pipefail
cd "$(dirname "$0")/.."

options=(
  esModuleInterop=true,importSuffix=.ts,forceLong=bigint,useDate=false,env=browser
  outputServices=generic-definitions,outputJsonMethods=false,outputExtensions=false
  exportCommonSymbols=false,snakeToCamel=keys,useOptionals=none,removeEnumPrefix=false
  comments=false,useExactTypes=false,enumsAsLiterals=true
)
joined=$(IFS=,; echo "${options[*]}")

generate() { # room, output directory
  mkdir -p "$2"
  find "packages/$1/proto" -name '*.proto' -printf '%P\n' | LC_ALL=C sort |
    xargs node_modules/.bin/protoc --plugin=node_modules/.bin/protoc-gen-ts_proto \
      --proto_path="packages/$1/proto" --proto_path=packages/rpc/proto --ts_proto_out="$2" --ts_proto_opt="$joined"
}

if [ "${1:-}" = check ]; then
  fresh=$(mktemp -d)
  trap 'rm -rf "$fresh"' EXIT
  for room in rpc api; do
    generate "$room" "$fresh/$room"
    diff -r "packages/$room/src/gen" "$fresh/$room" >/dev/null || {
      echo "generated code of packages/$room differs from its .proto files: run \`npm run generate\`" >&2
      exit 1
    }
  done
  exit 0
fi

for room in rpc api; do
  rm -rf "packages/$room/src/gen"
  generate "$room" "packages/$room/src/gen"
done
