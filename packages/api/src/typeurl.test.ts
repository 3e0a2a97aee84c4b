import { expect, test } from "bun:test";
import { decodeJsonAny, encodeJsonAny, LINUX_RESOURCES_TYPE_URL } from "./json-any.ts";
import { decodeAny, decodeAnyAs, encodeAny } from "./typeurl.ts";

test("encodeAny() writes the bare name, completes the message, and decodeAny() reads it back under its kind", () => {
  const any = encodeAny("containerd.events.TaskExit", { containerId: "c", exitStatus: 3 });
  expect(any.typeUrl).toBe("containerd.events.TaskExit");
  const decoded = decodeAny(any);
  expect(decoded).toMatchObject({
    kind: "containerd.events.TaskExit",
    value: { containerId: "c", exitStatus: 3, pid: 0 },
  });
  if (decoded?.kind === "containerd.events.TaskExit") expect(decoded.value.exitStatus).toBe(3);
});

test("decodeAny() tolerates a prefix, and leaves types it does not know alone", () => {
  const { typeUrl, value } = encodeAny("containerd.runc.v1.Options", { binaryName: "crun" });
  expect(decodeAny({ typeUrl: `type.googleapis.com/${typeUrl}`, value })).toMatchObject({
    value: { binaryName: "crun" },
  });
  for (const unknown of ["", "containerd.events.Nothing", "toString", "x/constructor"]) {
    expect(decodeAny({ typeUrl: unknown, value })).toBeUndefined();
  }
});

test("decodeAnyAs() gives a message of the type asked for, and nothing else", () => {
  const any = encodeAny("containerd.types.transfer.Data", { data: new Uint8Array([1, 2]) });
  expect(decodeAnyAs(any, "containerd.types.transfer.Data")?.data).toEqual(new Uint8Array([1, 2]));
  expect(decodeAnyAs(any, "containerd.types.transfer.Progress")).toBeUndefined();
  expect(decodeAnyAs(undefined, "containerd.types.transfer.Data")).toBeUndefined();
});

test("Go types registered by URL travel as JSON", () => {
  const any = encodeJsonAny(LINUX_RESOURCES_TYPE_URL, { memory: { limit: 1 } });
  expect(decodeAny(any)).toEqual({ kind: "json", typeUrl: LINUX_RESOURCES_TYPE_URL, value: { memory: { limit: 1 } } });
  expect(decodeJsonAny(any)).toEqual({ memory: { limit: 1 } });
});

test.each([
  ["protobuf cut short", { typeUrl: "containerd.events.TaskExit", value: new Uint8Array([10, 200]) }],
  ["JSON that is none", { typeUrl: LINUX_RESOURCES_TYPE_URL, value: new TextEncoder().encode("{") }],
  ["text that is not UTF-8", { typeUrl: LINUX_RESOURCES_TYPE_URL, value: new Uint8Array([34, 255, 34]) }],
])("decodeAny() refuses %s and names the type", (_what, any) => {
  expect(() => decodeAny(any)).toThrow(`cannot decode message (type ${any.typeUrl}`);
});
