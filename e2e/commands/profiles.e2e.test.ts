import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { run } from "../support/process.ts";

/** Which profile is asked of a debug socket, and with what; a real daemon's are in the tests of `shim` and `pprof`. */
let dir = "";
let socket = "";
let server: ReturnType<typeof Bun.serve>;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-e2e-profiles-"));
  socket = join(dir, "debug.sock");
  server = Bun.serve({
    unix: socket,
    fetch(request) {
      const { pathname, search } = new URL(request.url);
      return new Response(pathname + search);
    },
  });
});
afterAll(async () => {
  await server.stop(true);
  await rm(dir, { recursive: true });
});

describe.each([
  ["pprof", () => ["pprof", "--debug-socket", socket]],
  ["shim pprof", () => ["shim", "--shim-address", socket, "pprof"]],
] as const)("%s", (_title, start) => {
  const asked = async (...words: readonly string[]) => {
    const { code, stdout, stderr } = await run([ourCtr, ...start(), ...words]);
    expect({ words, code, stderr }).toEqual({ words, code: 0, stderr: "" });
    return stdout;
  };

  test.each([
    ["block", "block", 0],
    ["goroutines", "goroutine", 2],
    ["heap", "heap", 0],
    ["threadcreate", "threadcreate", 0],
  ] as const)("%s --debug", async (word, name, usual) => {
    expect(await asked(word)).toBe(`/debug/pprof/${name}?debug=${usual}`);
    expect(await asked(word, "--debug", "1")).toBe(`/debug/pprof/${name}?debug=1`);
  });

  test.each(["profile", "trace"])("%s --seconds --debug", async (word) => {
    const usual = await asked(word);
    expect(usual).toMatch(new RegExp(`^/debug/pprof/${word}\\?seconds=\\d+`));
    expect(await asked(word, "--seconds", "7s")).toBe(usual.replace(/seconds=\d+/, "seconds=7"));
    expect(await asked(word, "--debug", "1")).toBe(usual.replace("debug=0", "debug=1"));
  });
});
