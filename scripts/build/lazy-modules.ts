import type { BunPlugin } from "bun";

/**
 * Modules that take a command of a few milliseconds a good part of one to load, and that it often never uses: they are
 * loaded when one of their functions is first called, one of their classes first made, one of their constants first read.
 */
const slow: readonly string[] = ["node:fs", "node:fs/promises", "node:os", "node:path", "@bufbuild/protobuf/wire"];

const NAMESPACE = "lazy";

/** A module that is asked for where it is used. The runtime has two ways to give it, of which this one takes 0.7 ms longer. */
const asked = /process\.getBuiltinModule\(("[\w:/]+")\)/g;

/** For the executable alone: elsewhere the imports are what they say. */
export const lazyModules: BunPlugin = {
  name: "lazy modules",
  setup(build) {
    const imports = new RegExp(`(?<=^(?:import|\\}) .*from )"(${slow.join("|")})";$`, "gm");
    // The bundler does not ask plugins about modules it knows, so they get names that it does not.
    build.onLoad({ filter: /\/packages\/.*\.ts$/ }, async ({ path }) => {
      const text = await Bun.file(path).text();
      const contents = text.replaceAll(imports, `"${NAMESPACE}:$1";`).replaceAll(asked, "require($1)");
      return { contents, loader: "ts" };
    });
    build.onResolve({ filter: new RegExp(`^${NAMESPACE}:`) }, ({ path }) => {
      return { path: path.slice(NAMESPACE.length + 1), namespace: NAMESPACE, sideEffects: false };
    });
    build.onLoad({ filter: /.*/, namespace: NAMESPACE }, async ({ path }) => {
      const source = sources[path] ?? path;
      return { contents: facade(source, await import(source)), loader: "js", resolveDir: import.meta.dir };
    });
  },
};

/** Where a module only gathers others, the one that has what is used: of nineteen files the generated code needs four. */
const sources: Readonly<Record<string, string>> = {
  "@bufbuild/protobuf/wire": Bun.fileURLToPath(
    new URL("../../node_modules/@bufbuild/protobuf/dist/cjs/wire/binary-encoding.js", import.meta.url),
  ),
};

/** A module with the same exports, whose reader pays when it uses one. */
function facade(name: string, real: Readonly<Record<string, unknown>>): string {
  const load = `let loaded; const real = () => (loaded ??= require(${JSON.stringify(name)}));`;
  const names = Object.keys(real).filter((key) => key !== "default");
  return [load, ...names.map((key) => `export const ${key} = ${standIn(key, real[key])};`)].join("\n");
}

function standIn(key: string, value: unknown): string {
  if (typeof value === "function" && !isClass(value)) return `(...args) => real().${key}(...args)`;
  if (typeof value !== "object" && typeof value !== "function") return JSON.stringify(value);
  // A function as the target, which unlike a class may show another prototype: `instanceof` asks for it.
  const construct = `construct: (_, args) => Reflect.construct(real().${key}, args)`;
  return `/* @__PURE__ */ new Proxy(function () {}, { get: (_, name) => real().${key}[name], ${construct} })`;
}

function isClass(value: object): boolean {
  return /^[A-Z]/.test("name" in value ? String(value.name) : "");
}
