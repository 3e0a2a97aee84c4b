import { createHash } from "node:crypto";
import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openTree } from "@ctr/sys";
import { type AppliedLayer, applyLayer } from "../diff/apply-layer.ts";
import type { ApplyLimits } from "../diff/apply-limits.ts";
import type { LayerTarget } from "../diff/layer-target.ts";
import { type LayerMember, tarEnd, tarHeader, tarPadding } from "../diff/tar-format.ts";

/** A member for a test's layer: a name that ends in a slash is a directory, the rest is what a plain file has. */
export type TestMember = Partial<Omit<LayerMember, "size">> & { readonly name: string; readonly data?: string };

const TYPE_TIME = { seconds: 1_600_000_000, nanos: 0 };

/** Our ids, so that layers for tests unpack without privilege too. */
const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

/** A tar with its end mark; data and names are byte strings. */
export function buildLayer(members: readonly TestMember[]): Buffer {
  return Buffer.concat([...members.map(memberBytes), tarEnd()]);
}

function memberBytes({ data = "", ...rest }: TestMember): Buffer {
  const isDirectory = rest.name.endsWith("/");
  const member: LayerMember = {
    linkName: "",
    typeFlag: isDirectory ? "5" : "0",
    mode: isDirectory ? 0o755 : 0o644,
    ...owner,
    mtime: TYPE_TIME,
    major: 0,
    minor: 0,
    xattrs: [],
    ...rest,
    size: data.length,
  };
  return Buffer.concat([tarHeader(member), Buffer.from(data, "latin1"), tarPadding(data.length)]);
}

/** A directory that is gone when the test is. */
export function temporaryDirectory(): { readonly dir: string } & Disposable {
  const dir = mkdtempSync(join(tmpdir(), "ctr-layer-"));
  return { dir, [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }) };
}

export const isRoot = process.getuid?.() === 0;

/** Unpacks bytes in this thread, in chunks of `chunk` bytes. */
export async function unpack(
  layer: Uint8Array,
  target: Omit<LayerTarget, "privileged">,
  options: { readonly limits?: ApplyLimits; readonly chunk?: number; readonly signal?: AbortSignal } = {},
): Promise<AppliedLayer> {
  const { chunk = 65536, limits, signal = new AbortController().signal } = options;
  const chunks = async function* () {
    for (let at = 0; at < layer.byteLength; at += chunk) yield layer.subarray(at, at + chunk);
  };
  return await applyLayer(chunks(), { ...target, privileged: isRoot }, { signal, compressed: true, limits });
}

export interface DescribeOptions {
  /** Leave out times of directories, which writing below them changes. */
  readonly directoryTimes?: boolean;
}

/** Everything about a tree that a layer may carry, by path; read with nothing of what unpacks it but the xattrs. */
export function describeTree(root: string, options: DescribeOptions = {}): Record<string, string> {
  const entries: Record<string, string> = {};
  const inodes = new Map<bigint, string>();
  using tree = openTree(root);
  const visit = (path: string) => {
    for (const name of readdirSync(raw(root, path), { encoding: "buffer" })
      .map((bytes) => bytes.toString("latin1"))
      .sort()) {
      const below = path === "" ? name : `${path}/${name}`;
      const at = raw(root, below);
      const stat = lstatSync(at, { bigint: true });
      const type = Number(stat.mode >> 12n);
      const first = stat.nlink > 1n && type !== 4 ? inodes.get(stat.ino) : undefined;
      inodes.set(stat.ino, inodes.get(stat.ino) ?? below);
      const isDevice = type === 2 || type === 6;
      const time = type === 4 && options.directoryTimes === false ? "-" : stat.mtimeNs;
      const content =
        type === 8
          ? createHash("sha256").update(readFileSync(at)).digest("hex").slice(0, 12)
          : type === 10
            ? readlinkSync(at, { encoding: "buffer" }).toString("latin1")
            : "";
      const xattrs = tree
        .xattrs(tree.open(path), name)
        .map((xattr) => `${xattr.name}=${Buffer.from(xattr.value).toString("hex")}`)
        .sort();
      entries[below] = [
        `${type}:${(stat.mode & 0o7777n).toString(8)} ${stat.uid}:${stat.gid} ${time}`,
        isDevice ? `dev ${stat.rdev}` : "",
        content,
        ...xattrs,
        first === undefined ? "" : `= ${first}`,
      ]
        .filter((part) => part !== "")
        .join(" ");
      if (type === 4) visit(below);
    }
  };
  visit("");
  return entries;
}

function raw(root: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, "latin1")]);
}
