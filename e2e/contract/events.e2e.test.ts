import { expect, test } from "bun:test";
import { decodeAny, encodeAny, type eventTypes } from "@ctr/api";
import { anywhere, type Clients, clientsOf, codeOf, describeContract, inNamespace } from "./subjects.ts";

const target = { mediaType: "x", digest: `sha256:${"0".repeat(64)}`, size: 1n };
const spec = { typeUrl: "spec", value: new Uint8Array() };

describeContract("events", (stage) => {
  test("tell of changes in order, of every namespace unless a filter names one", async () => {
    const clients = await clientsOf(stage.channel);
    const namespace = stage.newNamespace();
    const options = inNamespace(namespace);
    await using events = await subscribe(clients, [`namespace==${namespace}`]);
    await clients.namespaces.create({ namespace: { name: namespace, labels: { l: "1" } } }, options);
    await clients.images.create({ image: { name: "i", target } }, options);
    await clients.images.update({ image: { name: "i", target, labels: { a: "1" } } }, options);
    await clients.images.delete({ name: "i" }, options);
    await clients.containers.create({ container: { id: "c", image: "img", runtime: { name: "r" }, spec } }, options);
    await clients.containers.update({ container: { id: "c", image: "img2" }, updateMask: ["image"] }, options);
    await clients.containers.delete({ id: "c" }, options);
    await clients.leases.create({ id: "keep" }, options);
    const kept = inNamespace(namespace, "keep");
    await clients.snapshots.prepare({ snapshotter: "native", key: "k" }, kept);
    await clients.snapshots.commit({ snapshotter: "native", key: "k", name: "n" }, kept);
    await clients.snapshots.view({ snapshotter: "native", key: "v", parent: "n" }, kept);
    await clients.snapshots.remove({ snapshotter: "native", key: "v" }, kept);
    const seen = await events.take(10);
    expect(seen.map(({ topic }) => topic)).toEqual([
      "/namespaces/create",
      "/images/create",
      "/images/update",
      "/images/delete",
      "/containers/create",
      "/containers/update",
      "/containers/delete",
      "/snapshot/prepare",
      "/snapshot/commit",
      "/snapshot/remove",
    ]);
    expect(seen.every((event) => event.namespace === namespace)).toBe(true);
    expect(seen.map(({ event }) => event && decodeAny(event)?.kind)).toEqual([
      "containerd.events.NamespaceCreate",
      "containerd.services.images.v1.ImageCreate",
      "containerd.services.images.v1.ImageUpdate",
      "containerd.services.images.v1.ImageDelete",
      "containerd.events.ContainerCreate",
      "containerd.events.ContainerUpdate",
      "containerd.events.ContainerDelete",
      "containerd.events.SnapshotPrepare",
      "containerd.events.SnapshotCommit",
      "containerd.events.SnapshotRemove",
    ]);
    expect(seen[2]?.event && decodeAny(seen[2].event)?.value).toEqual({ name: "i", labels: { a: "1" } });
    expect(seen[5]?.event && decodeAny(seen[5].event)?.value).toMatchObject({ id: "c", image: "img2" });
  });

  test.each([
    ['topic=="/a/b"', "/a/b"],
    ["topic~=|^/a/b$|", "/a/b"],
    ["event.container_id==c2", "/a/c"],
    ["event.checkpoint", "/a/d"],
    ["event.io.stdin==in", "/a/d"],
    ["event.io.terminal==true", "/a/d"],
  ])("pass the filter %j", async (filter, topic) => {
    const clients = await clientsOf(stage.channel);
    const namespace = stage.newNamespace();
    await using events = await subscribe(clients, [`namespace==${namespace},${filter}`, "topic==end"]);
    const publish = (at: string, event: ReturnType<typeof encodeAny>) =>
      clients.events.publish({ topic: at, event }, inNamespace(namespace));
    await publish("/a/a", encodeAny("containerd.events.TaskOOM", { containerId: "c1" }));
    await publish("/a/b", encodeAny("containerd.events.TaskOOM", { containerId: "c1" }));
    await publish("/a/c", encodeAny("containerd.events.TaskOOM", { containerId: "c2" }));
    const io = { stdin: "in", terminal: true };
    await publish("/a/d", encodeAny("containerd.events.TaskCreate", { checkpoint: "p", containerId: "c3", io }));
    expect((await events.take(1)).map((event) => event.topic)).toEqual([topic]);
  });

  test("are forwarded as they are", async () => {
    const clients = await clientsOf(stage.channel);
    const namespace = stage.newNamespace();
    await using events = await subscribe(clients, [`namespace==${namespace}`]);
    const event = encodeAny("containerd.events.TaskOOM", { containerId: "c" });
    const envelope = { namespace, topic: "/tasks/oom", timestamp: { seconds: 1234n, nanos: 5678 }, event };
    await clients.events.forward({ envelope }, anywhere());
    expect(await events.take(1)).toEqual([envelope]);
  });

  test.each(["", "/", "tasks/oom", "/a//b", "/a/b c", "/a/-"])("the topic %j is refused", async (topic) => {
    const clients = await clientsOf(stage.channel);
    const namespace = stage.newNamespace();
    const event = encodeAny("containerd.events.TaskOOM", { containerId: "c" });
    expect(await codeOf(clients.events.publish({ topic, event }, inNamespace(namespace)))).toBe("invalid_argument");
    const envelope = { namespace, topic, timestamp: { seconds: 1n }, event };
    expect(await codeOf(clients.events.forward({ envelope }, anywhere()))).toBe("invalid_argument");
  });

  test("a bad filter has no code of its own", async () => {
    const clients = await clientsOf(stage.channel);
    const first = clients.events
      .subscribe({ filters: ["a=b"] }, anywhere())
      [Symbol.asyncIterator]()
      .next();
    expect(await codeOf(first)).toBe("unknown");
  });

  test("none is lost and none comes twice", async () => {
    const clients = await clientsOf(stage.channel);
    const namespace = stage.newNamespace();
    await using events = await subscribe(clients, [`namespace==${namespace}`]);
    const ids = Array.from({ length: 300 }, (_, index) => `c${index}`);
    for (const containerId of ids) {
      const event = encodeAny("containerd.events.TaskOOM", { containerId });
      await clients.events.publish({ topic: "/tasks/oom", event }, inNamespace(namespace));
    }
    const seen = (await events.take(ids.length)).map(({ event }) => event && decodeAny(event)?.value);
    expect(seen).toEqual(ids.map((containerId) => ({ containerId })));
  });
});

interface Subscription extends AsyncDisposable {
  /** The next events, however long they take. */
  take(count: number): Promise<readonly eventTypes.Envelope[]>;
}

/** Subscribes, and resolves once the subject has begun to deliver: nothing says so but an event. */
async function subscribe(clients: Clients, filters: readonly string[]): Promise<Subscription> {
  const end = new AbortController();
  const namespace = `probe-${crypto.randomUUID()}`;
  const wanted = [...filters, `namespace==${namespace}`];
  const stream = clients.events.subscribe({ filters: wanted }, { signal: end.signal })[Symbol.asyncIterator]();
  let next = stream.next();
  // The last event of a test is not asked for; what the stream ends with then concerns nobody.
  next.catch(() => {});
  const probe = encodeAny("containerd.events.TaskOOM", { containerId: "probe" });
  for (let isOpen = false; !isOpen; ) {
    await clients.events.publish({ topic: "/probe", event: probe }, inNamespace(namespace));
    isOpen = await Promise.race([next.then(() => true), new Promise<boolean>((r) => setTimeout(() => r(false), 20))]);
  }
  const read = async (): Promise<eventTypes.Envelope> => {
    for (;;) {
      const { value, done } = await next;
      if (done === true) throw new Error("the subscription ended");
      next = stream.next();
      next.catch(() => {});
      if (value.namespace !== namespace) return value;
    }
  };
  return {
    async take(count) {
      const events: eventTypes.Envelope[] = [];
      while (events.length < count) events.push(await read());
      return events;
    },
    async [Symbol.asyncDispose]() {
      end.abort();
    },
  };
}
