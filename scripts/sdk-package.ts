import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** Finishes the SDK's directory: declarations that name their neighbours as files, and the package's own description. */
const out = process.argv[2] ?? "dist/sdk";
const types = join(out, "types");
const rooms = ["rpc", "sys", "api", "oci", "registry", "client"];

for (const file of readdirSync(types, { recursive: true, encoding: "utf8" })) {
  const path = join(types, file);
  // Declarations of tests have no reader.
  if (file.includes(".test.d.ts")) rmSync(path);
  else if (file.endsWith(".d.ts")) writeFileSync(path, rewrite(readFileSync(path, "utf8"), file));
}

const { version, license } = JSON.parse(readFileSync("package.json", "utf8"));
const wire = JSON.parse(readFileSync("packages/api/package.json", "utf8")).dependencies["@bufbuild/protobuf"];
const description = {
  name: "@ctr/sdk",
  version,
  license,
  description: "containerd for TypeScript: every service, typed, over its socket",
  type: "module",
  engines: { node: ">=20.16", bun: ">=1.4.5" },
  exports: { ".": { types: "./index.d.ts", default: "./index.js" } },
  types: "./index.d.ts",
  // The code is in the bundle; the declarations of the wire types refer to its reader and writer.
  dependencies: { "@bufbuild/protobuf": wire },
};
writeFileSync(join(out, "package.json"), `${JSON.stringify(description, undefined, 2)}\n`);
writeFileSync(join(out, "index.d.ts"), 'export * from "./types/client/src/sdk.js";\n');

/** `./x.ts` becomes `./x.js`, and a room is found beside the one that names it. */
function rewrite(text: string, file: string): string {
  return text
    .replace(/(["'])(\.{1,2}\/[^"']+)\.ts\1/g, "$1$2.js$1")
    .replace(/(["'])@ctr\/(\w+)\1/g, (whole, quote: string, room: string) => {
      if (!rooms.includes(room)) return whole;
      return `${quote}./${relative(dirname(file), `${room}/src/index.js`)}${quote}`;
    });
}
