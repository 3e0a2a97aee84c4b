import { expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { introspectionTypes, protobufAny } from "@ctr/api";
import { runtimeInfo } from "./runtime-info.ts";

const { signal } = new AbortController();
const { RuntimeRequest, RuntimeInfo } = introspectionTypes;

const ask = (runtimePath: string, options?: protobufAny.Any) =>
  runtimeInfo(
    {
      typeUrl: "containerd.types.RuntimeRequest",
      value: RuntimeRequest.encode(RuntimeRequest.fromPartial({ runtimePath, options })).finish(),
    },
    { signal },
  );

test("runtimeInfo() hands a shim its options, and returns what it says", async () => {
  const dir = mkdtempSync(join(tmpdir(), "ctr-info-"));
  try {
    const shim = join(dir, "shim");
    writeFileSync(join(dir, "answer"), RuntimeInfo.encode(RuntimeInfo.fromPartial({ name: "fake" })).finish());
    writeFileSync(shim, `#!/bin/sh\n[ "$1" = -info ] || exit 9\ncat >"${dir}/asked"; cat "${dir}/answer"\n`);
    chmodSync(shim, 0o755);
    const options = { typeUrl: "o", value: Uint8Array.of(1, 2) };
    const info = await ask(shim, options);
    expect(info.typeUrl).toBe("containerd.types.RuntimeInfo");
    expect(RuntimeInfo.decode(info.value).name).toBe("fake");
    expect(protobufAny.Any.decode(readFileSync(join(dir, "asked")))).toEqual(options);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test("runtimeInfo() says so when the shim has no such flag, is not there, or is asked in another way", async () => {
  await expect(ask("/bin/false")).rejects.toMatchObject({ code: "unimplemented" });
  await expect(ask("io.containerd.nobody.v1")).rejects.toMatchObject({ code: "not_found" });
  await expect(runtimeInfo({ typeUrl: "x", value: new Uint8Array() }, { signal })).rejects.toMatchObject({
    code: "invalid_argument",
  });
});
