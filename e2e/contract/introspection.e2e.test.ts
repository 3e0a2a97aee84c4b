import { expect, test } from "bun:test";
import { services } from "@ctr/api";
import { createClient } from "@ctr/rpc";
import { anywhere, codeOf, describeContract, type Stage } from "./subjects.ts";

const introspectionOf = async (stage: Stage) => createClient(await services.introspection(), stage.channel);
const SNAPSHOTTER = "io.containerd.snapshotter.v1";

describeContract("introspection", (stage) => {
  test("lists what the engine is made of, without a namespace", async () => {
    const introspection = await introspectionOf(stage);
    const { plugins } = await introspection.plugins({}, anywhere());
    const names = plugins.map(({ type, id }) => `${type.slice("io.containerd.".length)}/${id}`);
    expect(names).toEqual(expect.arrayContaining(["content.v1/content", "gc.v1/scheduler", "grpc.v1/tasks"]));
    expect(names.filter((name) => !/^[\w-]+(?:\.\w+)*\.v\d\//.test(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });

  test("snapshotters say where they are and what they run on", async () => {
    const introspection = await introspectionOf(stage);
    const { plugins } = await introspection.plugins({ filters: [`type==${SNAPSHOTTER}`] }, anywhere());
    const usable = plugins.filter(({ initErr }) => initErr === undefined);
    expect(usable.map(({ id }) => id).sort()).toEqual(expect.arrayContaining(["native", "overlayfs"]));
    for (const plugin of usable) {
      expect(plugin.platforms[0]?.os).toBe("linux");
      if (stage.subject.api !== "1.6") expect(plugin.exports["root"]).toMatch(/^\/.*snapshotter/);
    }
  });

  test("filters choose by type and id; a broken one is refused", async () => {
    const introspection = await introspectionOf(stage);
    const ids = async (...filters: string[]) =>
      (await introspection.plugins({ filters }, anywhere())).plugins.map(({ id }) => id);
    expect(await ids("id==overlayfs")).toEqual(["overlayfs"]);
    expect(await ids(`type==${SNAPSHOTTER},id==native`, "id==version")).toEqual(
      expect.arrayContaining(["native", "version"]),
    );
    expect(await ids("id==no-such-thing")).toEqual([]);
    expect(await codeOf(introspection.plugins({ filters: ["id=="] }, anywhere()))).not.toBe("ok");
  });

  test("the server's id is a UUID that stays", async () => {
    const introspection = await introspectionOf(stage);
    const first = await introspection.server({}, anywhere());
    expect(first.uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/);
    expect((await introspection.server({}, anywhere())).uuid).toBe(first.uuid);
    if (stage.subject.api !== "1.6") {
      expect(first.pid).toBeGreaterThan(0n);
      expect(first.pidns).toBeGreaterThan(0n);
    }
  });

  test("only what can tell of itself is asked for more", async () => {
    const introspection = await introspectionOf(stage);
    const asked = (type: string, id: string) => codeOf(introspection.pluginInfo({ type, id }, anywhere()));
    if (stage.subject.api === "1.6") return expect(await asked(SNAPSHOTTER, "native")).toBe("unimplemented");
    expect(await asked(SNAPSHOTTER, "native")).toBe("unimplemented");
    expect(await asked(SNAPSHOTTER, "nobody")).toBe("not_found");
  });
});

describeContract("version and health", (stage) => {
  test("the version is one that clients can compare", async () => {
    const version = createClient(await services.version(), stage.channel);
    expect((await version.version({}, anywhere())).version).toMatch(/^v?\d+\.\d+\.\d+/);
  });

  test("the server as a whole serves; others are not known", async () => {
    const health = createClient(await services.health(), stage.channel);
    expect((await health.check({ service: "" }, anywhere())).status).toBe(1);
    expect(await codeOf(health.check({ service: "nobody" }, anywhere()))).toBe("not_found");
  });

  test("a service nobody has is unimplemented", async () => {
    const mounts = createClient(
      {
        name: "Nobody",
        fullName: "containerd.services.nobody.v1.Nobody",
        methods: (await services.version()).methods,
      },
      stage.channel,
    );
    expect(await codeOf(mounts.version({}, anywhere()))).toBe("unimplemented");
  });
});
