import { expect, test } from "bun:test";
import { type BlobWriter, digestOf } from "@ctr/oci";
import fc from "fast-check";
import { openTestStore } from "../testing/test-store.ts";
import { EngineContent } from "./store.ts";

const { signal } = new AbortController();
const cancel = { signal };
const MIB = 1024 * 1024;
const first = Buffer.alloc(8 * MIB, "first");
const second = Buffer.alloc(MIB, "second");

async function withContent(use: (content: EngineContent, writer: BlobWriter) => Promise<void>): Promise<void> {
  using store = openTestStore();
  const content = new EngineContent(store, { namespace: "default", lease: undefined });
  await using writer = await content.writer("ref-1", cancel);
  await use(content, writer);
}

test("write() keeps the order of chunks small and large, also of those that nobody waited for", async () => {
  const around = [0, 1, MIB - 1, MIB, 1_300_000];
  const chunk = fc.record({ length: fc.constantFrom(...around), byte: fc.nat(255), waits: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(chunk, { maxLength: 6 }), (chunks) =>
      withContent(async (_content, writer) => {
        const all: Buffer[] = [];
        for (const { length, byte, waits } of chunks) {
          all.push(Buffer.alloc(length, byte));
          const writing = writer.write(all.at(-1) ?? second, cancel);
          if (waits) await writing;
        }
        expect(await writer.commit({}, cancel)).toBe(digestOf(Buffer.concat(all)));
      }),
    ),
    { numRuns: 30 },
  );
});

test("while a thread writes, offset and digest are those of the bytes before", () =>
  withContent(async (_content, writer) => {
    await writer.write(second, cancel);
    const writing = writer.write(first, cancel);
    await Promise.resolve();
    await Promise.resolve();
    expect([writer.offset, writer.digest]).toEqual([BigInt(MIB), digestOf(second)]);
    await writing;
    expect([writer.offset, writer.digest]).toEqual([BigInt(9 * MIB), digestOf(Buffer.concat([second, first]))]);
  }));

test("truncate() waits for the thread that writes", () =>
  withContent(async (_content, writer) => {
    const writing = writer.write(first, cancel);
    await writer.truncate(0n, cancel);
    await writing;
    await writer.write(second, cancel);
    expect(await writer.commit({}, cancel)).toBe(digestOf(second));
  }));

test("a writer that is left while a thread writes gives its ref away after that, with all of the chunk", () =>
  withContent(async (content, writer) => {
    let written = false;
    const writing = writer.write(first, cancel).then(() => {
      written = true;
    });
    await Promise.all([writer[Symbol.asyncDispose](), writer[Symbol.asyncDispose]()]);
    expect(written).toBe(true);
    await writing;
    await expect(writer.write(second, cancel)).rejects.toMatchObject({ code: "failed_precondition" });
    await using next = await content.writer("ref-1", cancel);
    expect([next.offset, next.digest]).toEqual([BigInt(first.byteLength), digestOf(first)]);
  }));

/** Writes 2 MiB of which the system lets the file have one and a half, and what was to follow; then what there is room for. */
const overLimit = `
import { digestOf } from "@ctr/oci";
import { EngineContent } from ${JSON.stringify(`${import.meta.dir}/store.ts`)};
import { openTestStore } from ${JSON.stringify(`${import.meta.dir}/../testing/test-store.ts`)};
const cancel = { signal: new AbortController().signal };
const [first, second, third] = ["1", "2", "3"].map((text, at) => Buffer.alloc(at === 2 ? 262144 : 1048576, text));
using store = openTestStore();
await using writer = await new EngineContent(store, { namespace: "default" }).writer("ref-1", cancel);
await writer.write(first, cancel);
const attempts = await Promise.allSettled([writer.write(second, cancel), writer.write(third, cancel)]);
const failed = attempts.map(({ reason }) => reason?.message);
const kept = [writer.offset === 1048576n, writer.digest === digestOf(first)];
await writer.write(third, cancel);
const right = (await writer.commit({}, cancel)) === digestOf(Buffer.concat([first, third]));
console.log(JSON.stringify({ failed, kept, right }));
`;

test("a chunk of which only part could be written is cut off, nothing follows it, and file and digest agree", async () => {
  const limit = ["bash", "-c", `trap '' XFSZ; ulimit -f 1536; exec "$@"`, "limit"];
  const child = Bun.spawn([...limit, process.execPath, "-e", overLimit], { cwd: import.meta.dir, stderr: "inherit" });
  expect(await new Response(child.stdout).json()).toEqual({
    failed: [expect.stringContaining("file too large"), expect.stringContaining("file too large")],
    kept: [true, true],
    right: true,
  });
});
