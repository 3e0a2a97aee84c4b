import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { CallOptions } from "@ctr/rpc";
import { listMounts } from "@ctr/sys";
import { mustRun } from "../support/process.ts";
import { type Clients, clientsOf, codeOf, describeContract, engineSubjects, gather, inNamespace } from "./subjects.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-mounts-"));
  for (const name of ["lower", "upper", "work", "trap"]) await mkdir(join(dir, name));
  await writeFile(join(dir, "lower/file"), "below");
  await symlink("/etc", join(dir, "trap/away"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const bind = (name: string, ...options: readonly string[]) => ({
  type: "bind",
  source: join(dir, name),
  options: ["rbind", ...options],
});
const isMounted = (path: string) => listMounts().some(({ mountPoint }) => mountPoint === path);

describeContract(
  "mounts",
  (stage) => {
    const open = async (): Promise<{ readonly clients: Clients; readonly options: CallOptions }> => {
      const clients = await clientsOf(stage.channel);
      const namespace = stage.newNamespace();
      await clients.leases.create({ id: "keep" }, inNamespace(namespace));
      return { clients, options: inNamespace(namespace, "keep") };
    };
    /** Deletes a lease that kept nothing, and waits for the collection. */
    const collect = async ({ leases }: Clients, options: CallOptions) => {
      await leases.create({ id: "gc" }, options);
      await leases.delete({ id: "gc", sync: true }, options);
    };

    test("a list that the kernel can mount is the caller's", async () => {
      const { clients, options } = await open();
      const activate = (mounts: readonly { readonly type: string }[]) =>
        codeOf(clients.mounts.activate({ name: "m", mounts }, options));
      expect(await activate([bind("lower")])).toBe("unimplemented");
      expect(await activate([])).toBe("unimplemented");
      expect(await codeOf(clients.mounts.activate({ name: "m", temporary: true }, options))).toBe("unimplemented");
      expect(await codeOf(clients.mounts.info({ name: "m" }, options))).toBe("not_found");
    });

    test("a temporary activation mounts everything, and leaves one bind mount to the caller", async () => {
      const { clients, options } = await open();
      const mounts = [bind("lower", "ro")];
      const { info } = await clients.mounts.activate(
        { name: "m", mounts, temporary: true, labels: { a: "b" } },
        options,
      );
      const point = info?.active[0]?.mountPoint ?? "";
      expect(info).toMatchObject({
        name: "m",
        active: [{ mount: { type: "bind", source: "" } }],
        system: [{ type: "bind", source: point, options: ["rbind"] }],
        labels: { a: "b" },
      });
      expect(info?.active[0]?.mountedAt?.seconds).toBeGreaterThan(1_700_000_000n);
      expect(await readFile(join(point, "file"), "utf8")).toBe("below");
      expect((await clients.mounts.info({ name: "m" }, options)).info).toEqual(info);
      expect(
        (await gather(clients.mounts.list({ filters: ["name==other"] }, options))).map((each) => each.info),
      ).toEqual([info]);
      await clients.mounts.deactivate({ name: "m" }, options);
      expect(isMounted(point)).toBe(false);
      expect(existsSync(dirname(point))).toBe(false);
      for (const call of [clients.mounts.info, clients.mounts.deactivate]) {
        expect(await codeOf(call({ name: "m" }, options))).toBe("not_found");
      }
      expect(await gather(clients.mounts.list({}, options))).toEqual([]);
    });

    test("a name is in use until it is deactivated, in its namespace", async () => {
      const { clients, options } = await open();
      const request = { name: "m", mounts: [bind("lower")], temporary: true };
      const { info } = await clients.mounts.activate(request, options);
      expect(await codeOf(clients.mounts.activate(request, options))).toBe("already_exists");
      const elsewhere = (await open()).options;
      await clients.mounts.activate(request, elsewhere);
      await clients.mounts.deactivate({ name: "m" }, elsewhere);
      // Whoever unmounts it by hand has let go of it too.
      await mustRun(["umount", info?.active[0]?.mountPoint ?? ""]);
      expect(await codeOf(clients.mounts.info({ name: "m" }, options))).toBe("not_found");
      await clients.mounts.activate(request, options);
      await clients.mounts.deactivate({ name: "m" }, options);
      expect(await codeOf(clients.mounts.activate({ ...request, name: "" }, options))).toBe("invalid_argument");
    });

    test("what earlier mounts became is filled in, for the caller and for the engine", async () => {
      const { clients, options } = await open();
      const overlay = {
        type: "format/overlay",
        source: "overlay",
        options: ["lowerdir={{ overlay 1 0 }}", `upperdir=${join(dir, "upper")}`, `workdir=${join(dir, "work")}`],
      };
      const mounts = [bind("lower"), bind("trap"), overlay];
      const left = await clients.mounts.activate({ name: "left", mounts }, options);
      const [first, second] = left.info?.active.map(({ mountPoint }) => mountPoint) ?? [];
      expect(left.info?.system).toMatchObject(
        [{ type: "overlay", options: [`lowerdir=${second}:${first}`, {}, {}] }].map(({ type, options: [lower] }) => ({
          type,
          options: [lower, overlay.options[1], overlay.options[2]],
        })),
      );
      await clients.mounts.deactivate({ name: "left" }, options);
      // A stock 2.4 dies of a temporary list that ends so.
      const all = await clients.mounts.activate({ name: "all", mounts, temporary: true }, options);
      expect(all.info?.active.map(({ mount }) => mount?.type)).toEqual(["bind", "bind", "overlay"]);
      expect(await readFile(join(all.info?.system[0]?.source ?? "", "file"), "utf8")).toBe("below");
      await clients.mounts.deactivate({ name: "all" }, options);
      const wrong = { ...overlay, options: ["lowerdir={{ mount 7 }}"] };
      expect(await codeOf(clients.mounts.activate({ name: "x", mounts: [wrong] }, options))).toBe("invalid_argument");
    });

    test("a file with a file system is made, gets a loop device, and is mounted", async () => {
      const { clients, options } = await open();
      const filters = ["type==io.containerd.content.v1"];
      const { plugins } = await clients.introspection.plugins({ filters }, options);
      // The store's root is a place where files may be made.
      const base = dirname(plugins[0]?.exports["root"] ?? "");
      const image = join(base, `fs-${stage.newNamespace()}.img`);
      const mounts = [
        { type: "mkfs/loop", source: image, options: ["X-containerd.mkfs.size=16MiB", "X-containerd.mkfs.fs=ext4"] },
        { type: "format/ext4", source: "{{ mount 0 }}" },
        {
          type: "format/mkdir/bind",
          source: "{{ mount 1 }}/made",
          options: ["X-containerd.mkdir.path={{ mount 1 }}/made:0750:7:8", "rbind"],
        },
      ];
      const { info } = await clients.mounts.activate({ name: "m", mounts }, options);
      try {
        expect(info?.active.map(({ mount }) => mount?.type)).toEqual(["loop", "ext4"]);
        const made = info?.system[0]?.source ?? "";
        expect(info?.system).toMatchObject([{ type: "bind", options: ["rbind"] }]);
        expect((await mustRun(["stat", "-c", "%a %u %g", made])).trim()).toBe("750 7 8");
      } finally {
        await clients.mounts.deactivate({ name: "m" }, options);
      }
      expect((await mustRun(["losetup", "--associated", image])).trim()).toBe("");
      const again = await clients.mounts.activate({ name: "m", mounts }, options);
      expect(existsSync(again.info?.system[0]?.source ?? "")).toBe(true);
      await clients.mounts.deactivate({ name: "m" }, options);
      await rm(image);
    });

    test("directories are made where they may be, whatever links an image has", async () => {
      const { clients, options } = await open();
      const activate = (path: string) => {
        const mkdirMount = { type: "format/mkdir/bind", source: "/", options: [`X-containerd.mkdir.path=${path}`] };
        return clients.mounts.activate({ name: "m", mounts: [bind("trap"), mkdirMount] }, options);
      };
      expect(await codeOf(activate(join(dir, "outside")))).toBe("permission_denied");
      expect(await codeOf(activate("{{ mount 0 }}/../../outside"))).toBe("permission_denied");
      expect(existsSync(join(dir, "outside"))).toBe(false);
      await activate("{{ mount 0 }}/away/ctr-made");
      expect(existsSync("/etc/ctr-made")).toBe(false);
      expect(existsSync(join(dir, "trap/etc/ctr-made"))).toBe(true);
      await clients.mounts.deactivate({ name: "m" }, options);
    });

    test("a mount that fails takes the others down again", async () => {
      const { clients, options } = await open();
      const mounts = [bind("lower"), bind("nothing-there")];
      const before = listMounts().length;
      expect(await codeOf(clients.mounts.activate({ name: "m", mounts, temporary: true }, options))).toBe("not_found");
      expect(listMounts()).toHaveLength(before);
      expect(await codeOf(clients.mounts.info({ name: "m" }, options))).toBe("not_found");
    });

    test("nothing is updated", async () => {
      const { clients, options } = await open();
      expect(await codeOf(clients.mounts.update({ info: { name: "m" } }, options))).toBe("unimplemented");
    });

    describe("a collection takes it down", () => {
      const activated = async (clients: Clients, options: CallOptions, labels: Record<string, string> = {}) => {
        const request = { name: "m", mounts: [bind("lower")], temporary: true, labels };
        return (await clients.mounts.activate(request, options)).info?.active[0]?.mountPoint ?? "";
      };

      test("once its lease is gone", async () => {
        const { clients, options } = await open();
        const point = await activated(clients, options);
        await collect(clients, options);
        expect(isMounted(point)).toBe(true);
        await clients.leases.delete({ id: "keep", sync: true }, options);
        expect(isMounted(point)).toBe(false);
        expect(existsSync(dirname(point))).toBe(false);
      });

      test("once what its label names is gone", async () => {
        const { clients } = await open();
        const options = inNamespace(stage.newNamespace());
        const spec = {
          typeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec",
          value: new Uint8Array([123, 125]),
        };
        await clients.containers.create(
          { container: { id: "c", runtime: { name: "io.containerd.runc.v2" }, spec } },
          options,
        );
        const point = await activated(clients, options, { "containerd.io/gc.bref.container": "c" });
        await collect(clients, options);
        expect(isMounted(point)).toBe(true);
        await clients.containers.delete({ id: "c" }, options);
        await collect(clients, options);
        expect(isMounted(point)).toBe(false);
      });

      test("where nothing keeps it", async () => {
        const { clients } = await open();
        const options = inNamespace(stage.newNamespace());
        const point = await activated(clients, options);
        await collect(clients, options);
        expect(isMounted(point)).toBe(false);
      });

      test("and there is no lease of that name to keep it", async () => {
        const { clients } = await open();
        const options = inNamespace(stage.newNamespace(), "nope");
        expect(await codeOf(activated(clients, options))).toBe("not_found");
      });
    });
  },
  engineSubjects,
);
