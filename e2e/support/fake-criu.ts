import { expect } from "bun:test";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A runc that only pretends to dump and to restore: CRIU cannot here. Everything else is the real one's. */
export interface FakeCriu {
  /** For `--runc-binary`. */
  readonly runc: string;
  /** While this file exists, paused containers cannot be resumed. */
  readonly stuck: string;
  /** Words of each checkpoint and restore so far. */
  calls(): Promise<readonly string[]>;
  /** The files of the dump that was restored last: their texts by their names; none before the first. */
  restored(): Promise<Readonly<Record<string, string>>>;
}

const PAGES = "pages-1.img";

/** Puts it into `dir` as `runc`: a daemon whose PATH begins with that directory uses it for everything. `pages`: second of a dump's files. */
export async function makeFakeCriu(dir: string, pages = PAGES): Promise<FakeCriu> {
  const [runc, log, restored] = [join(dir, "runc"), join(dir, "calls"), join(dir, "restored")];
  const stuck = join(dir, "stuck");
  // Each dump is another, of two files: a daemon fails where its content store has the same bytes already.
  // `--image-path DIR` is where the dump goes; `--leave-running` is left out where the task is to end.
  await writeFile(
    runc,
    `#!/bin/sh
real=${Bun.which("runc")}
case " $* " in
*" checkpoint "*)
  echo "$@" >>${log}
  while [ $# -gt 0 ]; do [ "$1" = --image-path ] && images=$2; shift; done
  mkdir -p "$(dirname "$images/${pages}")" && echo "core $$" >"$images/core-1.img" && echo pages >"$images/${pages}" ;;
*" restore "*)
  echo "$@" >>${log}
  globals=
  while [ "$1" != restore ]; do globals="$globals $1"; shift; done
  shift
  while [ $# -gt 1 ]; do
    case "$1" in
    --image-path) rm -rf ${restored}; cp -r "$2" ${restored}; shift 2 ;;
    --bundle) bundle=$2; shift 2 ;;
    --pid-file) pid=$2; shift 2 ;;
    --work-path) shift 2 ;;
    *) shift ;;
    esac
  done
  exec $real $globals run --detach --bundle "$bundle" --pid-file "$pid" "$1" ;;
*" resume "*) [ ! -e ${stuck} ] || exit 1; exec $real "$@" ;;
*) exec $real "$@" ;;
esac
`,
    { mode: 0o755 },
  );
  return {
    runc,
    stuck,
    calls: async () => (await readFile(log, "utf8")).split("\n").filter(Boolean),
    async restored() {
      const names = (await readdir(restored, { recursive: true }).catch(() => [])).filter((name) =>
        name.endsWith(".img"),
      );
      const texts = names.sort().map(async (name) => [name, await readFile(join(restored, name), "utf8")] as const);
      return Object.fromEntries(await Promise.all(texts));
    },
  };
}

/** What `restored` says of any dump. */
export const dumpedFiles = (pages = PAGES) => ({
  "core-1.img": expect.stringMatching(/^core \d+\n$/),
  [pages]: "pages\n",
});
