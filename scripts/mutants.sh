#!/usr/bin/env bash
# Do the tests of our safety guards notice when a guard goes? Each mutants/ID[-word].patch takes one guard out; the test
# it names has to be green without the patch and red with it. `mutants.sh [ID…]` runs those of the ids, else all.
# It works on a copy of the tree; only .cache, which holds what set-up downloaded, is shared with it.
#
# A patch starts with its header, one `word: value` a line:
#   id    the requirement; a test whose title holds it as a word has to fail
#   test  the test file, or several
#   only  optional: which titles to run, a regular expression; the id unless it is given
#   build optional: `ctr` builds the executable of the copy first, for tests that start it; `failpoints` the one whose
#         processes can be told where to die; both words for a test that takes both
#   limit optional: after how many seconds a run is ended, instead of 60
set -uo pipefail
cd "$(dirname "$0")/.."
repo=$PWD
bun=$repo/node_modules/.bin/bun
copy=$(mktemp -d "${TMPDIR:-/tmp}/ctr-mutants.XXXXXX")
trap 'rm -rf "$copy"' EXIT
trap 'exit 130' INT TERM
# A mutant may wait, or fill memory, for ever.
limit_seconds=60
declare -A unpatched=()
killed=0 survived=0

# The copy has its own links to the packages: through those of node_modules here, tests would run the tree itself.
make_copy() {
  local entry
  git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' entry; do
    [ ! -e "$entry" ] && [ ! -L "$entry" ] || printf '%s\0' "$entry"
  done | tar --null --files-from=- -cf - | tar -C "$copy" -xf - || return
  mkdir -p "$copy/node_modules/@ctr" "$copy/dist"
  for entry in node_modules/* node_modules/.bin; do
    [ "$entry" = node_modules/@ctr ] || ln -s "$repo/$entry" "$copy/$entry"
  done
  for entry in packages/*; do ln -s "../../$entry" "$copy/node_modules/@ctr/${entry#packages/}"; done
  [ ! -d .cache ] || ln -s "$repo/.cache" "$copy/.cache"
}

header() { # patch, word
  sed -n '/^--- /q; s/^'"$2"': *//p' "$1" | head -n 1
}

build() { # ctr, failpoints or both
  local executable
  for executable in "$@"; do
    # Once is enough: where its functions lie in the file is of no concern here.
    if [ "$executable" = ctr ]; then "$bun" scripts/build.ts once; else "$bun" scripts/build.ts failpoints; fi || return
  done
}

# Runs the named tests in the copy; the log is left in $copy/log.
run_tests() { # patch
  local id tests only limit executables
  id=$(header "$1" id) only=$(header "$1" only) limit=$(header "$1" limit)
  read -ra tests <<<"$(header "$1" test)"
  read -ra executables <<<"$(header "$1" build)"
  (
    cd "$copy" || exit
    build "${executables[@]}" || exit
    CTR_BIN=$copy/dist/ctr timeout --kill-after=10 "${limit:-$limit_seconds}" "$bun" test --timeout 120000 -t "${only:-\\b$id\\b}" "${tests[@]/#/./}"
  ) >"$copy/log" 2>&1
}

apply() { # patch, further options
  (cd "$copy" && GIT_CEILING_DIRECTORIES=${copy%/*} git apply --whitespace=nowarn "${@:2}" "$1") >"$copy/log" 2>&1
}

# Without the patch: run once for all patches that name the same tests.
is_green() { # patch
  local key
  key="$(header "$1" test)|$(header "$1" only)|$(header "$1" build)|$(header "$1" id)"
  if [ -z "${unpatched[$key]:-}" ]; then
    if run_tests "$1" && grep -qE '^ *[1-9][0-9]* pass$' "$copy/log"; then unpatched[$key]=yes; else unpatched[$key]=no; fi
  fi
  [ "${unpatched[$key]}" = yes ]
}

judge() { # patch: prints a verdict; the mutant counts as killed only when a test of its id fails
  local id
  id=$(header "$1" id)
  [ -n "$id" ] && [ -n "$(header "$1" test)" ] || { echo "has no header"; return 1; }
  is_green "$1" || { echo "its test is not green without the patch"; return 1; }
  apply "$1" || { echo "does not apply"; return 1; }
  run_tests "$1"
  local code=$?
  cp "$copy/log" "$copy/mutant.log"
  apply "$1" --reverse || { echo "cannot be taken back"; return 1; }
  [ "$code" != 124 ] || { echo "killed (it did not end)"; return; }
  [ "$code" != 0 ] && grep -E "^\(fail\)" "$copy/mutant.log" | grep -qwE "$id" && { echo killed; return; }
  mv "$copy/mutant.log" "$copy/log"
  echo SURVIVED
  return 1
}

make_copy || { echo "mutants.sh: cannot copy the tree" >&2; exit 2; }
patches=()
if [ $# = 0 ]; then patches=("$repo"/mutants/*.patch); fi
for id in "$@"; do
  found=()
  for patch in "$repo/mutants/$id".patch "$repo/mutants/$id"-*.patch; do [ ! -e "$patch" ] || found+=("$patch"); done
  [ "${#found[@]}" != 0 ] || { echo "$id: no mutants/$id.patch"; survived=$((survived + 1)); }
  patches+=("${found[@]}")
done
for patch in "${patches[@]}"; do
  name=$(basename "$patch" .patch)
  # Not in a subshell, which would forget what is green.
  if judge "$patch" >"$copy/verdict"; then killed=$((killed + 1)); else
    survived=$((survived + 1))
    tail -n 40 "$copy/log" >&2
  fi
  echo "$name: $(cat "$copy/verdict")"
done
echo
echo "$killed killed, $survived survived"
[ "$survived" = 0 ]
