import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join, normalize, resolve } from "node:path";

/** Who may import whom: docs/adr and ARCHITECTURE.md draw the same picture. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  rpc: [],
  sys: [],
  api: ["rpc", "sys"],
  oci: ["rpc", "sys", "api"],
  registry: ["rpc", "sys", "api", "oci"],
  client: ["rpc", "sys", "api", "oci", "registry"],
  engine: ["rpc", "sys", "api", "oci", "registry"],
  cli: ["rpc", "sys", "api", "oci", "registry", "client"],
  web: ["client"],
};

/** These run on Node too, so nothing of Bun's may be needed just to load them. */
const portable = new Set(["rpc", "api", "oci", "registry", "client"]);
/** The one file that may load the engine. */
const composition = "packages/cli/src/connect.ts";

const root = resolve(import.meta.dir, "..");

/** What is wrong with one import, or undefined. */
function fault(file: string, room: string, specifier: string, isStatic: boolean): string | undefined {
  if (specifier.startsWith("bun:") || specifier === "bun") {
    return portable.has(room) && isStatic ? "loads a Bun module statically" : undefined;
  }
  const [, target, rest] = /^@ctr\/([^/]+)(\/.*)?$/.exec(specifier) ?? [];
  if (target !== undefined) {
    if (rest !== undefined) return "reaches past another room's index";
    if (target === "engine" && file === composition && !isStatic) return undefined;
    return arrows[room]?.includes(target) ? undefined : `${room} may not import ${target}`;
  }
  if (!specifier.startsWith(".")) return undefined;
  const inside = normalize(join(file, "..", specifier)).startsWith(`packages/${room}/src/`);
  return inside ? undefined : "leaves its room by a relative path";
}

function* imports(text: string): Iterable<{ readonly specifier: string; readonly isStatic: boolean }> {
  const pattern =
    /(?:^|[\s;}])(?:import|export)\s[^"'`;]*?from\s*["']([^"']+)["']|^\s*import\s*["']([^"']+)["']|import\(\s*["']([^"']+)["']/gm;
  for (const [, from, bare, dynamic] of text.matchAll(pattern)) {
    yield { specifier: from ?? bare ?? dynamic ?? "", isStatic: dynamic === undefined };
  }
}

function faultsOf(file: string, text: string): readonly string[] {
  const room = file.split("/")[1] ?? "";
  if (arrows[room] === undefined) return [`${file}: no such room in the plan`];
  return [...imports(text)].flatMap(({ specifier, isStatic }) => {
    const why = fault(file, room, specifier, isStatic);
    return why === undefined ? [] : [`${file}: ${specifier}: ${why}`];
  });
}

function sources(): readonly string[] {
  return readdirSync(join(root, "packages"), { recursive: true, encoding: "utf8" })
    .map((name) => `packages/${name}`)
    .filter(
      (name) =>
        /^packages\/[^/]+\/src\/.*\.ts$/.test(name) && !/\.test\.ts$|\/gen\/|\/testing\/|node_modules/.test(name),
    );
}

test("every import follows the arrows between rooms", () => {
  const files = sources();
  expect(files.length).toBeGreaterThan(20);
  expect(files.flatMap((file) => faultsOf(file, readFileSync(join(root, file), "utf8")))).toEqual([]);
});

test.each([
  ["a room to its left", "packages/rpc/src/a.ts", 'import { x } from "@ctr/oci";'],
  ["the engine from the SDK", "packages/client/src/a.ts", 'import { x } from "@ctr/engine";'],
  ["a file behind an index", "packages/cli/src/a.ts", 'import { x } from "@ctr/oci/src/digest.ts";'],
  ["a relative path out of the room", "packages/cli/src/a.ts", 'import { x } from "../../oci/src/digest.ts";'],
  ["Bun in a portable room", "packages/oci/src/a.ts", 'import { Database } from "bun:sqlite";'],
  ["a multi-line import", "packages/rpc/src/a.ts", 'import {\n  x,\n} from "@ctr/api";'],
  ["a re-export", "packages/rpc/src/a.ts", 'export * from "@ctr/api";'],
  ["a dynamic import", "packages/cli/src/a.ts", 'const e = await import("@ctr/engine");'],
])("an import of %s is refused", (_what, file, text) => {
  expect(faultsOf(file, text)).toHaveLength(1);
});
