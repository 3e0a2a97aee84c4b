import { ContainerdError } from "@ctr/api";
import type { JsonObject } from "../../json-reader.ts";
import { isCdiDevice, parseCdiKind } from "./device-name.ts";
import { type CdiEdits, isEmpty, noEdits } from "./edits.ts";
import { readEdits } from "./read-edits.ts";
import { StrictReader } from "./strict-reader.ts";

/** A file of `/etc/cdi`: devices of one kind, and what they need of a container. CDI spec 1.1, "CDI JSON Specification". */
export interface CdiSpecFile {
  readonly path: string;
  readonly vendor: string;
  readonly class: string;
  readonly devices: ReadonlyMap<string, CdiEdits>;
  /** Made once for a container that has any of the devices. */
  readonly edits: CdiEdits;
}

/** Versions of CDI, oldest first. */
const versions = ["0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0"];
const ANNOTATION = /^([a-z0-9]([a-z0-9.-]*[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/;

/** Checks what a file says; `invalid_argument` where it cannot be meant. */
export function readCdiSpec(value: JsonObject, path: string): CdiSpecFile {
  const reader = new StrictReader(value, "", ["cdiVersion", "kind", "annotations", "devices", "containerEdits"]);
  const kind = parseCdiKind(reader.string("kind"));
  if (kind === undefined) throw reader.fault("kind", `"${reader.string("kind")}" is no vendor.com/class`);
  checkAnnotations(reader);
  const global = reader.part("containerEdits");
  const edits = global === undefined ? noEdits : readEdits(...global);
  const devices = new Map<string, CdiEdits>();
  const parts = reader.parts("devices").map((part) => readDevice(...part));
  for (const { name, edits: own } of parts) {
    if (devices.has(name)) throw reader.fault("devices", `"${name}" is there twice`);
    devices.set(name, own);
  }
  if (devices.size === 0) throw reader.fault("devices", "there are none");
  checkVersion(reader, [
    kind.class.includes(".") ? "0.6.0" : "",
    hasAnnotations(reader),
    neededBy(edits),
    ...parts.map(({ needs }) => needs),
  ]);
  return { path, ...kind, devices, edits };
}

function readDevice(value: JsonObject, path: string) {
  const reader = new StrictReader(value, path, ["name", "annotations", "containerEdits"]);
  const name = reader.string("name");
  if (!isCdiDevice(name)) throw reader.fault("name", `"${name}" is no name of a device`);
  checkAnnotations(reader);
  const own = reader.part("containerEdits");
  const edits = own === undefined ? noEdits : readEdits(...own);
  if (isEmpty(edits)) throw reader.fault("containerEdits", "they are empty");
  const digit = /^[0-9]/.test(name) ? "0.5.0" : "";
  return { name, edits, needs: newest([digit, hasAnnotations(reader), neededBy(edits)]) };
}

function checkAnnotations(reader: StrictReader): void {
  for (const key of Object.keys(reader.stringMap("annotations"))) {
    if (!ANNOTATION.test(key)) throw reader.fault("annotations", `"${key}" is no name of an annotation`);
  }
}

function hasAnnotations(reader: StrictReader): string {
  return reader.keys("annotations").length > 0 ? "0.6.0" : "";
}

/** The version that brought the newest member in use; "" for the first. CDI spec 1.1, "Released versions". */
function neededBy({ netDevices, intelRdt, additionalGids, deviceNodes, mounts }: CdiEdits): string {
  if (netDevices.length > 0 || (intelRdt && (intelRdt.schemata.length > 0 || intelRdt.enableMonitoring)))
    return "1.1.0";
  if (intelRdt !== undefined || additionalGids.length > 0) return "0.7.0";
  if (deviceNodes.some(({ hostPath }) => hostPath !== "")) return "0.5.0";
  return mounts.some(({ type }) => type !== "") ? "0.4.0" : "";
}

function newest(needs: readonly string[]): string {
  return versions[Math.max(...needs.map((version) => versions.indexOf(version)))] ?? "";
}

function checkVersion(reader: StrictReader, needs: readonly string[]): void {
  const given = reader.string("cdiVersion").replace(/^v/, "");
  const index = versions.indexOf(given);
  if (index < 0) throw reader.fault("cdiVersion", `"${given}" is no version known here`);
  const needed = newest(needs);
  if (versions.indexOf(needed) > index) throw reader.fault("cdiVersion", `what the file says needs ${needed}`);
}

/** A file that cannot be used, and why. */
export function unusable(path: string, error: unknown): ContainerdError {
  const why = error instanceof Error ? error.message : String(error);
  return new ContainerdError({
    code: "invalid_argument",
    what: "cannot use CDI spec",
    where: { file: path },
    why,
    cause: error,
  });
}
