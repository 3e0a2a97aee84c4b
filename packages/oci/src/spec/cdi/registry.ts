import type { ContainerdError } from "@ctr/api";
import { isJsonObject } from "../../json-reader.ts";
import type { SpecHost } from "../option.ts";
import { type CdiDeviceName, parseCdiName } from "./device-name.ts";
import type { CdiEdits } from "./edits.ts";
import { type CdiSpecFile, readCdiSpec, unusable } from "./spec-file.ts";

export interface CdiOptions {
  /** Where vendors describe devices; of two files with one device the later directory's counts. `/etc/cdi` and `/var/run/cdi`. */
  readonly dirs?: readonly string[];
}

/** CDI spec 1.1, "Overview". */
const DIRS = ["/etc/cdi", "/var/run/cdi"];

/** The devices described on this machine. */
export interface CdiRegistry {
  readonly vendors: ReadonlySet<string>;
  /** Files that count for nothing, and devices that two files of one directory describe. */
  readonly faults: readonly ContainerdError[];
  find(name: string): { readonly file: CdiSpecFile; readonly edits: CdiEdits } | undefined;
}

/** Reads every description there is. A file that is wrong hides its own devices only. */
export async function openCdiRegistry(host: SpecHost, { dirs = DIRS }: CdiOptions = {}): Promise<CdiRegistry> {
  const faults: ContainerdError[] = [];
  const levels: (readonly CdiSpecFile[])[] = [];
  for (const dir of dirs) levels.push(await readDirectory(host, dir, faults));
  const conflicts = levels.map(conflictsOf);
  faults.push(...conflicts.flatMap((level) => [...level.values()]));
  return {
    vendors: new Set(levels.flat().map(({ vendor }) => vendor)),
    faults,
    find(text) {
      const name = parseCdiName(text);
      // The last directory that has the device decides, even where it contradicts itself.
      const level = levels.findLastIndex((files) => files.some((file) => describes(file, name)));
      const file = conflicts[level]?.has(text) ? undefined : levels[level]?.find((one) => describes(one, name));
      const edits = file?.devices.get(name?.name ?? "");
      return file === undefined || edits === undefined ? undefined : { file, edits };
    },
  };
}

function describes(file: CdiSpecFile, name: CdiDeviceName | undefined): boolean {
  return name !== undefined && file.vendor === name.vendor && file.class === name.class && file.devices.has(name.name);
}

async function readDirectory(host: SpecHost, dir: string, faults: ContainerdError[]): Promise<readonly CdiSpecFile[]> {
  const entry = await host.stat(dir).catch(() => undefined);
  const names = entry?.kind === "directory" ? entry.names.filter((name) => /\.(json|yaml)$/.test(name)) : [];
  const files: CdiSpecFile[] = [];
  for (const path of names.map((name) => `${dir}/${name}`)) {
    try {
      const text = new TextDecoder("utf-8", { fatal: true }).decode(await host.readFile(path));
      const value = path.endsWith(".json") ? JSON.parse(text) : host.parseYaml(withOctals(text));
      if (!isJsonObject(value)) throw new Error("it is no object");
      files.push(readCdiSpec(value, path));
    } catch (error) {
      faults.push(unusable(path, error));
    }
  }
  return files;
}

/** A mode such as 0660 is octal for the YAML of CDI's library, decimal for that of today. */
function withOctals(yaml: string): string {
  return yaml.replace(/(\bfileMode["']?\s*:\s*)0(?=[0-7]+\b)/g, "$10o");
}

/** Devices that more than one file of a directory describes, by full name. */
function conflictsOf(files: readonly CdiSpecFile[]): ReadonlyMap<string, ContainerdError> {
  const seen = new Map<string, string>();
  const conflicts = new Map<string, ContainerdError>();
  for (const { path, vendor, class: kind, devices } of files) {
    for (const device of devices.keys()) {
      const name = `${vendor}/${kind}=${device}`;
      const other = seen.get(name);
      if (other !== undefined) conflicts.set(name, unusable(path, new Error(`${other} describes ${name} as well`)));
      seen.set(name, path);
    }
  }
  return conflicts;
}
