import * as bunTest from "bun:test";
import { AsyncLocalStorage } from "node:async_hooks";
import { appendFileSync, mkdirSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { ourCtr } from "./binaries.ts";

/**
 * Preloaded by `scripts/test.sh` where CTR_E2E_RECORD names a directory: writes down every argument list of ours that a
 * test starts, for `npm run parity`. It wraps `test` to know which one runs, and `Bun.spawn` to see what it starts.
 */
export interface RunRecord {
  /** Below `e2e/`. */
  readonly file: string;
  /** The title, as declared; empty in a hook. */
  readonly test: string;
  readonly argv: readonly string[];
  /** Those of the variables that flags read. */
  readonly env: Readonly<Record<string, string>>;
  /** 128 + n for a signal. */
  readonly code: number;
}

interface Running {
  readonly file: string;
  readonly test: string;
}

const folder = process.env["CTR_E2E_RECORD"];
const e2e = resolve(import.meta.dir, "..");
const running = new AsyncLocalStorage<Running>();
const variables = ["CONTAINERD_ADDRESS", "CONTAINERD_NAMESPACE", "CONTAINERD_SNAPSHOTTER"];

if (folder) {
  mkdirSync(folder, { recursive: true });
  wrapTests();
  wrapSpawn(join(folder, `${process.pid}.jsonl`));
}

function wrapTests(): void {
  const { beforeAll, afterAll, beforeEach, afterEach } = bunTest;
  const hooks = Object.entries({ beforeAll, afterAll, beforeEach, afterEach });
  const wrapped = Object.fromEntries(hooks.map(([name, hook]) => [name, wrapHook(hook)]));
  bunTest.mock.module("bun:test", () => ({ ...bunTest, ...wrapped, test: wrapTest(bunTest.test) }));
}

// What bun:test takes and returns is passed on untouched; only the function that is the test's body is replaced.
type Loose = (...args: unknown[]) => unknown;

function wrapHook(hook: unknown): Loose {
  return (body, ...rest) => (hook as Loose)(inside("", body), ...rest);
}

function wrapTest(real: object): unknown {
  return new Proxy(real, {
    apply: (target, _self, [title, ...rest]: unknown[]) =>
      (target as Loose)(title, ...rest.map((each) => inside(String(title), each))),
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      // `test.concurrent` and its like are a `test` of their own.
      if ("each" in member) return wrapTest(member);
      // `each`, `if`, `skipIf` return another `test`. All want the real one as `this`.
      return (...args: unknown[]) => {
        const result: unknown = (member as Loose).apply(
          target,
          args.map((each) => inside(String(args[0]), each)),
        );
        return typeof result === "function" ? wrapTest(result) : result;
      };
    },
  });
}

/** The same function, known to run in the test `title` of the file that is being loaded. */
function inside(title: string, body: unknown): unknown {
  if (typeof body !== "function") return body;
  const store = { file: relative(e2e, Bun.main), test: title };
  return (...args: unknown[]) => running.run(store, () => (body as Loose)(...args));
}

function wrapSpawn(path: string): void {
  const spawn = Bun.spawn;
  const replacement = (...args: Parameters<typeof spawn>) => {
    const child = spawn(...args);
    const [first, second] = args as readonly unknown[];
    const argv = Array.isArray(first) ? first.map(String) : [];
    const at = argv.findIndex((word) => word === ourCtr || isCopy(word));
    const now = running.getStore() ?? { file: relative(e2e, Bun.main), test: "" };
    if (at >= 0) {
      void child.exited.then((code) =>
        appendFileSync(path, `${JSON.stringify({ ...now, argv: argv.slice(at + 1), env: envOf(second), code })}\n`),
      );
    }
    return child;
  };
  Object.defineProperty(Bun, "spawn", { value: replacement });
}

/** Tests also start the build with failpoints, and copies for another user. */
function isCopy(word: string): boolean {
  return word.startsWith("/") && ["ctr", "ctr-failpoints"].includes(basename(word)) && !word.startsWith("/usr/bin/");
}

function envOf(options: unknown): Readonly<Record<string, string>> {
  const env = typeof options === "object" && options !== null && "env" in options ? options.env : undefined;
  const entries = Object.entries(env ?? {}).filter(([name]) => variables.includes(name));
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
}
