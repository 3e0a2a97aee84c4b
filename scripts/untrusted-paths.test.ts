import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

/**
 * A path inside a tree that came out of an image is never put together as text: a link in it leads anywhere (R25). Only
 * these files reach into such trees, by descriptor. Nor does what an image says of itself become a path: the files that
 * annotations name (R30), volumes (R9), the working directory, which runc makes inside the root (R26).
 */
const resolvers = /^packages\/sys\/src\/(rootfs|tree(-\w+)?)\.ts$/;

const calls =
  "join|resolve|normalize|open|openSync|readFile|readFileSync|writeFile|writeFileSync|mkdir|mkdirSync|mkdtemp|chown|chownSync|" +
  "chmod|chmodSync|lchown|utimes|utimesSync|cp|cpSync|copyFile|copyFileSync|rm|rmSync|rename|renameSync|symlink|symlinkSync|" +
  "link|linkSync|stat|statSync|readdir|readdirSync|existsSync|createReadStream|createWriteStream|Bun\\.file|Bun\\.write";
/** An array's `join` is not the path's. */
const call = `(?<![.\\w])(?:(?:fs|path)\\.)?(?:${calls})\\(`;
/** Up to the end of the call, or near it; a string in it is only text. */
const within = "(?:[^;(){}\"'`]|\\([^()]*\\)|`[^`]*\\$\\{|\\{(?=[\\w.]))*?";

const rules: readonly (readonly [string, RegExp])[] = [
  [
    "joins a path below an untrusted root",
    /(?:join|resolve|normalize)\(\s*(?:[\w.]+\.)?(?:rootfs|rootfsPath|rootfsDir)\s*,/,
  ],
  ["writes a path below an untrusted root", /\$\{(?:[\w.]+\.)?(?:rootfs|rootfsPath|rootfsDir)\}\//],
  ["adds to an untrusted root", /(?<![\w])(?:rootfs|rootfsPath|rootfsDir)\s*\+\s*["'`]/],
  ["takes a path from annotations", new RegExp(`${call}${within}\\bannotations\\b`, "i")],
  ["takes a path from an image's configuration", new RegExp(`${call}${within}\\b(?:workingDir|volumes)\\b`)],
];

function faultsOf(file: string, text: string): readonly string[] {
  if (resolvers.test(file)) return [];
  return rules.flatMap(([what, pattern]) => {
    const found = pattern.exec(text);
    return found === null ? [] : [`${file}:${text.slice(0, found.index).split("\n").length}: ${what}`];
  });
}

const root = resolve(import.meta.dir, "..");

function sources(): readonly string[] {
  return readdirSync(join(root, "packages"), { recursive: true, encoding: "utf8" })
    .map((name) => `packages/${name}`)
    .filter(
      (name) =>
        /^packages\/[^/]+\/src\/.*\.ts$/.test(name) && !/\.test\.ts$|\/gen\/|\/testing\/|node_modules/.test(name),
    );
}

test("R9, R25, R26, R30: nothing an image says becomes a path but through the resolver of its root", () => {
  const files = sources();
  expect(files.length).toBeGreaterThan(20);
  expect(files.flatMap((file) => faultsOf(file, readFileSync(join(root, file), "utf8")))).toEqual([]);
});

test.each([
  ["a join", "R25", "readFileSync(join(rootfs, path));"],
  ["a join of a member", "R25", 'path.join(paths.rootfs, "etc/passwd");'],
  ["a template", "R25", `openSync(\`\${this.rootfs}/etc/group\`);`],
  ["a sum", "R25", 'readFile(rootfs + "/etc/passwd");'],
  ["an annotation", "R30", 'writeFileSync(join(dir, layer.annotations["org.opencontainers.image.title"] ?? ""), b);'],
  ["an annotation in a template", "R30", `Bun.write(\`\${dir}/\${layer.annotations[title]}\`, bytes);`],
  [
    "an annotation over lines",
    "R30",
    "createWriteStream(\n  join(\n    dir,\n    descriptor.annotations[title],\n  ),\n);",
  ],
  [
    "a volume",
    "R9",
    "for (const volume of config.volumes) mkdirSync(join(root, volume)); cp(resolve(a, config.volumes[0]));",
  ],
  ["a working directory", "R26", "mkdirSync(join(root, config.workingDir), { recursive: true });"],
])("the rule finds %s (%s)", (_what, _id, text) => {
  expect(faultsOf("packages/client/src/a.ts", text).length).toBeGreaterThan(0);
});

test.each([
  ["the root itself", 'const rootfs = join(bundle, "rootfs");'],
  ["an array", 'const text = annotations.join(",");'],
  ["annotations elsewhere", "const a = join(dir, name); const { annotations } = descriptor;"],
])("the rule leaves %s alone", (_what, text) => {
  expect(faultsOf("packages/client/src/a.ts", text)).toEqual([]);
});
