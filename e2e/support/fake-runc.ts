import { writeFile } from "node:fs/promises";

/** A runc that only pretends to dump and to restore: CRIU cannot, where tests run. */
export interface FakeRunc {
  readonly path: string;
  /** What the files were that a restore was given, one after the other; there once one was. */
  readonly restored: string;
}

/**
 * Writes one at `path`. A dump is two files, each time another; a restore notes what it was given and runs the container
 * anew. Everything else is runc's.
 */
export async function writeFakeRunc(path: string): Promise<FakeRunc> {
  const restored = `${path}.restored`;
  await writeFile(
    path,
    `#!/bin/sh
case " $* " in
*" checkpoint "*)
  while [ $# -gt 0 ]; do [ "$1" = --image-path ] && images=$2; shift; done
  mkdir -p "$images/deeper" && echo "core $$" >"$images/core-1.img" && echo pages >"$images/deeper/pages-1.img" ;;
*" restore "*)
  while [ "$1" != restore ]; do globals="$globals $1"; shift; done
  while [ $# -gt 1 ]; do
    case $1 in
    --image-path) images=$2; shift 2 ;;
    --bundle | --pid-file) kept="$kept $1 $2"; shift 2 ;;
    --work-path) shift 2 ;;
    *) shift ;;
    esac
  done
  (cd "$images" && find . -type f | sort | xargs cat) >${restored}
  exec runc $globals run --detach $kept "$1" ;;
*) exec runc "$@" ;;
esac
`,
    { mode: 0o755 },
  );
  return { path, restored };
}
