import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { MethodDefinition, ServiceDefinition } from "@ctr/rpc";
import { decodeAny } from "./typeurl.ts";
import * as wire from "./wire.ts";

/** What a real containerd sent; `e2e/client/record-wire.ts` recorded it. */
const { daemon, recorded }: { daemon: string; recorded: readonly { path: string; hex: string }[] } = JSON.parse(
  readFileSync(resolve(import.meta.dir, "../testdata/wire.json"), "utf8"),
);

const services = Object.values(wire)
  .flatMap((room) => Object.entries(room))
  .filter(([name]) => name.endsWith("Definition"))
  // The generator gives this shape to whatever it names so.
  .map(([, definition]) => definition as ServiceDefinition);

function methodOf(path: string): MethodDefinition<unknown, unknown> {
  const [, service, name] = path.split("/");
  const methods = services.find(({ fullName }) => fullName === service)?.methods ?? {};
  const method = Object.values(methods).find((one) => one.name === name);
  if (method === undefined) throw new Error(`no method ${path}`);
  return method;
}

function messagesOf(path: string): readonly unknown[] {
  const { responseType } = methodOf(path);
  return recorded.filter((one) => one.path === path).map(({ hex }) => responseType.decode(Buffer.from(hex, "hex")));
}

test("the recording is of many methods of a real daemon", () => {
  expect(daemon).toContain("containerd");
  expect(new Set(recorded.map(({ path }) => path)).size).toBeGreaterThan(30);
});

test.each([...new Set(recorded.map(({ path }) => path))])(
  "what %s answered is decoded without losing a byte",
  (path) => {
    const { responseType } = methodOf(path);
    for (const { hex } of recorded.filter((one) => one.path === path)) {
      const message = responseType.decode(Buffer.from(hex, "hex"));
      expect(Buffer.from(responseType.encode(message).finish()).toString("hex")).toBe(hex);
    }
  },
);

test("the values are those that the recording program caused", () => {
  const { COMMIT } = wire.contentV1.WriteAction;
  expect(messagesOf("/containerd.services.tasks.v1.Tasks/Delete")).toMatchObject([{ exitStatus: 7 }]);
  expect(messagesOf("/containerd.services.namespaces.v1.Namespaces/Get")).toMatchObject([
    { namespace: { name: "recorded", labels: { made: "by a test", more: "1" } } },
  ]);
  expect(messagesOf("/containerd.services.containers.v1.Containers/List")).toMatchObject([
    {
      containers: [
        {
          id: "recorded",
          snapshotKey: "recorded",
          snapshotter: "overlayfs",
          runtime: { name: "io.containerd.runc.v2" },
          labels: { kind: "test", from: "debian" },
        },
      ],
    },
  ]);
  expect(messagesOf("/containerd.services.content.v1.Content/Status")).toMatchObject([
    { status: { ref: "recorded", offset: 4n, total: 4n } },
  ]);
  expect(messagesOf("/containerd.services.content.v1.Content/Write")).toContainEqual(
    expect.objectContaining({ action: COMMIT, digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) }),
  );
});

test("every Any inside decodes as what its type URL says, and back to the same bytes", () => {
  const seen = new Set<string>();
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
    if (
      "typeUrl" in value &&
      "value" in value &&
      typeof value.typeUrl === "string" &&
      value.value instanceof Uint8Array
    ) {
      const any = { typeUrl: value.typeUrl, value: value.value };
      const decoded = decodeAny(any);
      expect(decoded === undefined ? `unknown ${any.typeUrl}` : "known").toBe("known");
      seen.add(any.typeUrl);
    }
    for (const child of Object.values(value)) visit(child);
  };
  for (const path of new Set(recorded.map((one) => one.path))) for (const message of messagesOf(path)) visit(message);
  expect([...seen].toSorted()).toEqual(
    expect.arrayContaining([
      "containerd.events.SnapshotPrepare",
      "types.containerd.io/opencontainers/runtime-spec/1/Spec",
    ]),
  );
});
