import type { JsonObject } from "../../json-reader.ts";
import {
  type CdiDeviceNode,
  type CdiEdits,
  type CdiHook,
  type CdiIntelRdt,
  type CdiMount,
  type CdiNetDevice,
  hookNames,
} from "./edits.ts";
import { StrictReader } from "./strict-reader.ts";

/** Reads and checks `containerEdits`; `path` leads to them in messages. An unknown member is refused: it may matter. */
export function readEdits(value: JsonObject, path: string): CdiEdits {
  const reader = new StrictReader(value, path, [
    "env",
    "deviceNodes",
    "netDevices",
    "mounts",
    "hooks",
    "intelRdt",
    "additionalGids",
  ]);
  const rdt = reader.part("intelRdt");
  return {
    env: environment(reader),
    deviceNodes: reader.parts("deviceNodes").map(([node, at]) => readDeviceNode(node, at)),
    netDevices: readNetDevices(reader),
    mounts: reader.parts("mounts").map(([mount, at]) => readMount(mount, at)),
    hooks: reader.parts("hooks").map(([hook, at]) => readHook(hook, at)),
    intelRdt: rdt === undefined ? undefined : readIntelRdt(...rdt),
    additionalGids: reader.ids("additionalGids"),
  };
}

function environment(reader: StrictReader): readonly string[] {
  const env = reader.strings("env");
  for (const entry of env) {
    if (entry.indexOf("=") <= 0) throw reader.fault("env", `"${entry}" is no NAME=value`);
  }
  return env;
}

function readDeviceNode(value: JsonObject, path: string): CdiDeviceNode {
  const members = ["path", "hostPath", "type", "major", "minor", "fileMode", "permissions", "uid", "gid"];
  const reader = new StrictReader(value, path, members);
  const type = reader.string("type");
  if (!["", "b", "c", "u", "p"].includes(type)) throw reader.fault("type", `"${type}" is no kind of device`);
  const permissions = reader.string("permissions");
  if (permissions !== "none" && !/^[rwm]*$/.test(permissions)) {
    throw reader.fault("permissions", `"${permissions}" is not made of r, w and m`);
  }
  return {
    path: reader.absolute("path"),
    hostPath: reader.has("hostPath") ? reader.absolute("hostPath") : "",
    type,
    major: reader.number("major") ?? 0,
    minor: reader.number("minor") ?? 0,
    fileMode: reader.number("fileMode"),
    permissions,
    uid: reader.number("uid"),
    gid: reader.number("gid"),
  };
}

function readNetDevices(reader: StrictReader): readonly CdiNetDevice[] {
  const devices = reader.parts("netDevices").map(([value, path]) => {
    const device = new StrictReader(value, path, ["hostInterfaceName", "name"]);
    return { hostInterfaceName: device.filled("hostInterfaceName"), name: device.filled("name") };
  });
  for (const key of ["hostInterfaceName", "name"] as const) {
    const names = devices.map((device) => device[key]);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) throw reader.fault("netDevices", `${key} "${twice}" is there twice`);
  }
  return devices;
}

function readMount(value: JsonObject, path: string): CdiMount {
  const reader = new StrictReader(value, path, ["hostPath", "containerPath", "type", "options"]);
  return {
    // A tmpfs has a word here, not a path.
    hostPath: reader.filled("hostPath"),
    containerPath: reader.absolute("containerPath"),
    type: reader.string("type"),
    options: reader.strings("options"),
  };
}

function readHook(value: JsonObject, path: string): CdiHook {
  const reader = new StrictReader(value, path, ["hookName", "path", "args", "env", "timeout"]);
  const given = reader.string("hookName");
  const hookName = hookNames.find((name) => name === given);
  if (hookName === undefined) throw reader.fault("hookName", `"${given}" is no hook`);
  const timeout = reader.number("timeout");
  if (timeout === 0) throw reader.fault("timeout", "it has to be above 0");
  return { hookName, path: reader.absolute("path"), args: reader.strings("args"), env: environment(reader), timeout };
}

function readIntelRdt(value: JsonObject, path: string): CdiIntelRdt {
  const members = ["closID", "l3CacheSchema", "memBwSchema", "schemata", "enableMonitoring"];
  // Two of the earlier versions that no runtime reads any more.
  const reader = new StrictReader(value, path, [...members, "enableCMT", "enableMBM"]);
  const closID = reader.string("closID");
  // A name of a directory; "/" stands for the root class.
  if (closID !== "/" && (/[/\n]/.test(closID) || [".", ".."].includes(closID) || closID.length >= 4096)) {
    throw reader.fault("closID", `"${closID}" is no name of a class`);
  }
  return {
    closID,
    l3CacheSchema: reader.string("l3CacheSchema"),
    memBwSchema: reader.string("memBwSchema"),
    schemata: reader.strings("schemata"),
    enableMonitoring: reader.bool("enableMonitoring"),
  };
}
