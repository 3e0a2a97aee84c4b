import { expect, test } from "bun:test";
import { contentV1 } from "@ctr/api";
import type { CallOptions, DeepPartial } from "@ctr/rpc";
import {
  type Clients,
  clientsOf,
  codeOf,
  describeContract,
  gather,
  inNamespace,
  underLease,
  writeBlob,
} from "./subjects.ts";

type Request = DeepPartial<contentV1.WriteContentRequest>;
const { STAT, WRITE, COMMIT } = contentV1.WriteAction;

const bytes = (text: string) => new TextEncoder().encode(text);
const digestOf = (text: string) => `sha256:${new Bun.CryptoHasher("sha256").update(text).digest("hex")}`;

/** One Write stream with all its requests; its answers, a repeated last one left out. */
async function write({ content }: Clients, requests: readonly Request[], options: CallOptions) {
  const send = async function* () {
    yield* requests;
  };
  const answers = await gather(content.write(send(), options));
  return answers.slice(0, requests.length);
}

async function read({ content }: Clients, request: DeepPartial<contentV1.ReadContentRequest>, options: CallOptions) {
  const answers = await gather(content.read(request, options));
  return { text: Buffer.concat(answers.map((answer) => answer.data)).toString(), answers };
}

describeContract("content", (stage) => {
  const open = async () => {
    const clients = await clientsOf(stage.channel);
    return { clients, options: await underLease(stage, clients) };
  };

  test("a blob is there once it is committed, with size, labels and times", async () => {
    const { clients, options } = await open();
    const digest = await writeBlob(clients, "layer", options, { a: "1", b: "" });
    const { info } = await clients.content.info({ digest }, options);
    expect(info).toMatchObject({ digest, size: 5n, labels: { a: "1" } });
    expect(info?.createdAt?.seconds).toBeGreaterThan(0n);
    expect((await read(clients, { digest }, options)).text).toBe("layer");
  });

  test("a blob of no bytes is a blob", async () => {
    const { clients, options } = await open();
    const digest = await writeBlob(clients, "", options);
    expect((await clients.content.info({ digest }, options)).info?.size).toBe(0n);
    expect((await read(clients, { digest }, options)).text).toBe("");
  });

  test("another namespace does not see it", async () => {
    const { clients, options } = await open();
    const digest = await writeBlob(clients, "private", options);
    const elsewhere = inNamespace(stage.newNamespace());
    expect(await codeOf(clients.content.info({ digest }, elsewhere))).toBe("not_found");
    expect(await codeOf(read(clients, { digest }, elsewhere))).toBe("not_found");
  });

  test.each([
    ["from an offset", { offset: 2n }, "yer"],
    ["a range", { offset: 1n, size: 3n }, "aye"],
    ["past its end", { offset: 3n, size: 99n }, "er"],
    ["from its end", { offset: 5n }, ""],
  ])("read() of a blob %s", async (_what, range, text) => {
    const { clients, options } = await open();
    const digest = await writeBlob(clients, "layer", options);
    const found = await read(clients, { digest, ...range }, options);
    expect(found.text).toBe(text);
    // Offsets of the answer count from where the reading began.
    expect(found.answers[0]?.offset ?? 0n).toBe(0n);
  });

  test("read() from beyond the end is out of range", async () => {
    const { clients, options } = await open();
    const digest = await writeBlob(clients, "layer", options);
    expect(await codeOf(read(clients, { digest, offset: 6n }, options))).toBe("out_of_range");
  });

  test("bad digests and missing blobs", async () => {
    const { clients, options } = await open();
    const missing = digestOf("missing");
    expect(await codeOf(clients.content.info({ digest: "sha256:00" }, options))).toBe("invalid_argument");
    expect(await codeOf(clients.content.info({ digest: missing }, options))).toBe("not_found");
    expect(await codeOf(clients.content.delete({ digest: missing }, options))).toBe("not_found");
    expect(await codeOf(clients.content.delete({ digest: "x" }, options))).toBe("invalid_argument");
    expect(await codeOf(clients.content.update({ info: { digest: missing } }, options))).toBe("not_found");
  });

  test("each message of a write is answered with the offset after it", async () => {
    const { clients, options } = await open();
    const answers = await write(
      clients,
      [
        { action: STAT, ref: "r" },
        { action: WRITE, offset: 0n, data: bytes("la") },
        { action: WRITE, offset: 2n, data: bytes("yer") },
        { action: COMMIT, offset: 5n, total: 5n, expected: digestOf("layer") },
      ],
      options,
    );
    expect(answers.map(({ action, offset }) => [action, offset])).toEqual([
      [STAT, 0n],
      [WRITE, 2n],
      [WRITE, 5n],
      [COMMIT, 5n],
    ]);
    expect(answers.at(-1)?.digest).toBe(digestOf("layer"));
  });

  test("the first message needs a ref", async () => {
    const { clients, options } = await open();
    expect(await codeOf(write(clients, [{ action: STAT }], options))).toBe("invalid_argument");
  });

  test("a write goes on where the one before stopped", async () => {
    const { clients, options } = await open();
    await write(clients, [{ action: WRITE, ref: "r", data: bytes("res"), total: 7n }], options);
    const { status } = await clients.content.status({ ref: "r" }, options);
    expect(status).toMatchObject({ ref: "r", offset: 3n, total: 7n });
    const [first] = await write(clients, [{ action: STAT, ref: "r" }], options);
    expect(first?.offset).toBe(3n);
    const rest = { offset: 3n, data: bytes("umed"), expected: digestOf("resumed") };
    await write(clients, [{ action: COMMIT, ref: "r", ...rest }], options);
    expect((await read(clients, { digest: digestOf("resumed") }, options)).text).toBe("resumed");
    expect(await codeOf(clients.content.status({ ref: "r" }, options))).toBe("not_found");
  });

  test("an offset that is not the current one is out of range; 0 begins anew", async () => {
    const { clients, options } = await open();
    await write(clients, [{ action: WRITE, ref: "r", data: bytes("wrong") }], options);
    const beyond = [{ action: WRITE, ref: "r", offset: 9n, data: bytes("x") }];
    expect(await codeOf(write(clients, beyond, options))).toBe("out_of_range");
    const [answer] = await write(clients, [{ action: WRITE, ref: "r", offset: 0n, data: bytes("la") }], options);
    expect(answer?.offset).toBe(2n);
  });

  test.each([
    ["size", { total: 6n }],
    ["digest", { expected: digestOf("other") }],
  ])("a commit of the wrong %s fails, and the ingest stays", async (_what, wrong) => {
    const { clients, options } = await open();
    const commit = [{ action: COMMIT, ref: "r", data: bytes("layer"), ...wrong }];
    expect(await codeOf(write(clients, commit, options))).toBe("failed_precondition");
    const { status } = await clients.content.status({ ref: "r" }, options);
    expect(status?.offset).toBe(5n);
  });

  test("a blob that is there already cannot be written again", async () => {
    const { clients, options } = await open();
    await writeBlob(clients, "layer", options);
    const expected = digestOf("layer");
    expect(await codeOf(write(clients, [{ action: STAT, ref: "r", expected }], options))).toBe("already_exists");
    const commit = [{ action: COMMIT, ref: "r", data: bytes("layer"), total: 5n }];
    expect(await codeOf(write(clients, commit, options))).toBe("already_exists");
  });

  test("bytes of another namespace are adopted without being sent", async () => {
    const { clients, options } = await open();
    await writeBlob(clients, "adopted by another namespace", options);
    const expected = digestOf("adopted by another namespace");
    const elsewhere = inNamespace(stage.newNamespace());
    const [stat] = await write(clients, [{ action: STAT, ref: "r", expected, total: 28n }], elsewhere);
    expect(stat).toMatchObject({ offset: 28n, total: 28n });
    await write(clients, [{ action: COMMIT, ref: "r", expected, offset: 28n, total: 28n }], elsewhere);
    expect((await read(clients, { digest: expected }, elsewhere)).text).toBe("adopted by another namespace");
  });

  test("a ref has one writer at a time", async () => {
    const { clients, options } = await open();
    const release = Promise.withResolvers<void>();
    const hold = async function* () {
      yield { action: STAT, ref: "r" };
      await release.promise;
    };
    const held = clients.content.write(hold(), options)[Symbol.asyncIterator]();
    await held.next();
    expect(await codeOf(write(clients, [{ action: STAT, ref: "r" }], options))).toBe("unavailable");
    release.resolve();
    while (!(await held.next()).done);
    expect(await codeOf(write(clients, [{ action: STAT, ref: "r" }], options))).toBe("ok");
  });

  test("ingests are listed, filtered by ref, and aborted once", async () => {
    const { clients, options } = await open();
    await write(clients, [{ action: WRITE, ref: "one", data: bytes("1") }], options);
    await write(clients, [{ action: WRITE, ref: "two", data: bytes("22") }], options);
    const refs = async (...filters: readonly string[]) =>
      (await clients.content.listStatuses({ filters }, options)).statuses.map(({ ref }) => ref).sort();
    expect(await refs()).toEqual(["one", "two"]);
    expect(await refs("ref==two")).toEqual(["two"]);
    expect(await codeOf(refs("ref="))).toBe("invalid_argument");
    await clients.content.abort({ ref: "one" }, options);
    expect(await refs()).toEqual(["two"]);
    expect(await codeOf(clients.content.abort({ ref: "one" }, options))).toBe("not_found");
  });

  test("labels are replaced whole, or key by key by a mask", async () => {
    const { clients, options } = await open();
    const digest = await writeBlob(clients, "layer", options, { a: "1", b: "2" });
    const update = async (labels: Record<string, string>, updateMask?: string[]) =>
      (await clients.content.update({ info: { digest, labels }, ...(updateMask && { updateMask }) }, options)).info
        ?.labels;
    expect(await update({ b: "3", c: "4" }, ["labels.b"])).toEqual({ a: "1", b: "3" });
    expect(await update({}, ["labels.a"])).toEqual({ b: "3" });
    expect(await update({ "x.y/z": "5" }, ["labels.x.y/z"])).toEqual({ b: "3", "x.y/z": "5" });
    expect(await update({ d: "6" }, ["labels"])).toEqual({ d: "6" });
    expect(await update({ e: "7" })).toEqual({ e: "7" });
    expect(await codeOf(update({}, ["size"]))).toBe("invalid_argument");
    expect(await codeOf(update({ long: "x".repeat(4096) }))).toBe("invalid_argument");
  });

  test("blobs are listed by digest, as filters say", async () => {
    const { clients, options } = await open();
    const digests = await Promise.all(["a", "b", "c"].map((text) => writeBlob(clients, text, options, { text })));
    const list = async (...filters: readonly string[]) =>
      (await gather(clients.content.list({ filters }, options))).flatMap(({ info }) => info.map((each) => each.digest));
    expect(await list()).toEqual(digests.toSorted());
    expect(await list("labels.text==b")).toEqual([digestOf("b")]);
    expect(await list(`digest==${digestOf("a")}`, "labels.text==c")).toEqual([digestOf("a"), digestOf("c")].toSorted());
    expect(await list("labels.text~=[ab],labels.text!=a")).toEqual([digestOf("b")]);
    expect(await codeOf(list("labels.text=b"))).toBe("invalid_argument");
  });

  test("a lease keeps what is written under it, and must be there", async () => {
    const { clients, options } = await open();
    const namespace = stage.newNamespace();
    await clients.leases.create({ id: "l" }, inNamespace(namespace));
    const leased = inNamespace(namespace, "l");
    await write(clients, [{ action: WRITE, ref: "r", data: bytes("la") }], leased);
    const kept = async () => (await clients.leases.listResources({ id: "l" }, leased)).resources;
    expect(await kept()).toEqual([{ type: "ingests", id: "r" }]);
    await write(clients, [{ action: COMMIT, ref: "r", offset: 2n }], leased);
    expect(await kept()).toEqual([{ type: "content", id: digestOf("la") }]);
    expect(
      await codeOf(write(clients, [{ action: STAT, ref: "r" }], { ...options, ...inNamespace(namespace, "no") })),
    ).toBe("not_found");
  });
});
