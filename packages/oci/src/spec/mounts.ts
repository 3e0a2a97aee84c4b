import { ContainerdError } from "@ctr/api";
import { mergeEnv } from "./env.ts";
import { refuse, type SpecOption, withProcess } from "./option.ts";
import type { SpecMount } from "./types.ts";

/** `--mount`: mounts appended; one on the place of a default mount replaces it. */
export function withMounts(texts: readonly string[]): SpecOption {
  return (spec) => {
    const mounts = texts.map(parseMount);
    const taken = new Set(mounts.map((mount) => cleanPath(mount.destination)));
    const kept = (spec.mounts ?? []).filter((mount) => !taken.has(cleanPath(mount.destination)));
    return { ...spec, mounts: [...kept, ...mounts] };
  };
}

function cleanPath(path: string): string {
  return path.replace(/\/+/g, "/").replace(/(?<=.)\/$/, "");
}

/** How other engines are asked to give the host's files a container's SELinux label. */
const RELABEL = /^[zZ]$/;

/** Reads `type=bind,src=/a,dst=/b,options=rbind:ro`, fields quoted as in CSV. */
export function parseMount(text: string): SpecMount {
  let mount: SpecMount = { destination: "" };
  for (const field of splitCsv(text)) {
    const equals = field.indexOf("=");
    if (equals < 0)
      throw refuse("invalid mount specification: expected key=val", "write --mount type=bind,src=/host,dst=/in");
    mount = { ...mount, ...mountMember(field.slice(0, equals), field.slice(equals + 1)) };
  }
  const { destination, type, source, options } = mount;
  const relabel = options?.find((option) => RELABEL.test(option));
  if (relabel !== undefined) throw relabelRefused(mount, relabel);
  return {
    destination,
    ...(type ? { type } : {}),
    ...(source ? { source } : {}),
    ...(options ? { options } : {}),
  };
}

/** runc does nothing about it, so that who asks for it would believe in labels that nobody set (R7). */
function relabelRefused({ source = "", destination }: SpecMount, option: string): ContainerdError {
  return new ContainerdError({
    code: "invalid_argument",
    what: `cannot mount ${source} on ${destination}`,
    why: `the option ${option} asks to relabel files of the host, which is never done`,
    fix: "leave it out; where SELinux is in force, label a directory of the container's own beforehand: chcon -t container_file_t",
  });
}

function mountMember(key: string, value: string): Partial<SpecMount> {
  switch (key) {
    case "type":
      return { type: value };
    case "source":
    case "src":
      return { source: value };
    case "destination":
    case "dst":
      return { destination: value };
    case "options":
      return { options: value.split(":") };
    default:
      throw refuse(`mount option "${key}" not supported`, "the keys are type, src, dst and options");
  }
}

/** One CSV record: fields apart at commas, `"` around a field and doubled inside it. RFC 4180. */
function splitCsv(text: string): readonly string[] {
  const fields: string[] = [];
  let at = 0;
  while (at <= text.length) {
    if (text[at] === '"') {
      const { field, end } = quotedField(text, at + 1);
      fields.push(field);
      if (end < text.length && text[end] !== ",") throw csvFault(`extraneous or missing " in quoted-field`, end);
      at = end + 1;
      continue;
    }
    const comma = text.indexOf(",", at);
    const field = text.slice(at, comma < 0 ? text.length : comma);
    if (field.includes('"')) throw csvFault('bare " in non-quoted field', at + field.indexOf('"'));
    fields.push(field);
    at += field.length + 1;
  }
  return fields;
}

function quotedField(text: string, start: number): { readonly field: string; readonly end: number } {
  let field = "";
  for (let at = start; at < text.length; at++) {
    if (text[at] !== '"') field += text[at];
    else if (text[at + 1] === '"') {
      field += '"';
      at++;
    } else return { field, end: at + 1 };
  }
  throw csvFault(`extraneous or missing " in quoted-field`, text.length);
}

function csvFault(why: string, column: number): Error {
  return refuse(`parse error on line 1, column ${column + 1}: ${why}`);
}

/** `--net-host`: the host's network and the two files that go with it. */
export const withHostNetwork: SpecOption = (spec, { host }) => {
  const bind = (path: string): SpecMount => ({
    destination: path,
    type: "bind",
    source: path,
    options: ["rbind", "ro"],
  });
  const namespaces = (spec.linux?.namespaces ?? []).filter(({ type }) => type !== "network");
  const mounts = [...(spec.mounts ?? []), bind("/etc/hosts"), bind("/etc/resolv.conf")];
  const env = mergeEnv(spec.process?.env ?? [], [`HOSTNAME=${host.hostname}`]);
  return withProcess({ ...spec, mounts, linux: { ...spec.linux, namespaces } }, { env });
};
