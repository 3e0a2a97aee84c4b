import { expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { contentV1, imagesV1, leasesV1, mountsV1, snapshotsV1 } from "@ctr/api";
import { digestOf, hostPlatform } from "@ctr/oci";
import { type RegisteredService, registerService, type ServiceDefinition, type ServiceImpl } from "@ctr/rpc";
import { ourCtr } from "../support/binaries.ts";
import { startContainerd } from "../support/containerd.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { mustRun, run } from "../support/process.ts";
import { startTransferDaemon, type TransferScript } from "../support/transfer-daemon.ts";

const none: TransferScript = async () => undefined;
const { os, architecture } = hostPlatform();
const diffID = digestOf(new TextEncoder().encode("layer"));
const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const config = bytesOf({ os, architecture, rootfs: { type: "layers", diff_ids: [diffID] }, config: {} });
const describe = (mediaType: string, bytes: Uint8Array) => ({
  mediaType,
  digest: digestOf(bytes),
  size: bytes.byteLength,
});
const manifestType = "application/vnd.oci.image.manifest.v1+json";
const manifest = bytesOf({
  schemaVersion: 2,
  mediaType: manifestType,
  config: describe("application/vnd.oci.image.config.v1+json", config),
  layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: diffID, size: 5 }],
});
const blobs = new Map([config, manifest].map((bytes) => [digestOf(bytes) as string, bytes]));

/** The methods that a test needs; the others answer with an error. */
function some<S extends ServiceDefinition>(definition: S, impl: Partial<ServiceImpl<S>>): RegisteredService {
  // registerService gives a method without an implementation one that fails.
  return registerService(definition, impl as ServiceImpl<S>);
}

/** An image that is unpacked already, and a mount manager that answers with `system`. */
function mountServices(system: readonly { type: string; source: string }[], record: unknown[]) {
  const { size: _size, ...target } = describe(manifestType, manifest);
  return [
    some(imagesV1.ImagesDefinition, {
      get: async ({ name }) => ({ image: { name, target: { ...target, size: BigInt(manifest.byteLength) } } }),
    }),
    some(contentV1.ContentDefinition, {
      info: async ({ digest }) => ({ info: { digest, size: BigInt(blobs.get(digest)?.byteLength ?? 0) } }),
      async *read({ digest }) {
        yield { offset: 0n, data: blobs.get(digest) ?? new Uint8Array() };
      },
      update: async ({ info }) => ({ info }),
    }),
    some(snapshotsV1.SnapshotsDefinition, {
      stat: async ({ key }) => ({ info: { name: key, kind: snapshotsV1.Kind.COMMITTED } }),
      view: async ({ key, parent }) => {
        record.push({ view: key, parent });
        return { mounts: [{ type: "overlay", source: "overlay", options: ["lowerdir=/a:/b"] }] };
      },
    }),
    some(leasesV1.LeasesDefinition, {
      create: async ({ id, labels }) => {
        record.push({ lease: id });
        return { lease: { id, labels } };
      },
      delete: async ({ id }) => {
        record.push({ released: id });
        return {};
      },
    }),
    some(mountsV1.MountsDefinition, {
      activate: async ({ name, temporary, mounts }) => {
        record.push({ activate: name, temporary, types: mounts.map(({ type }) => type) });
        return { info: { name, system: [...system] } };
      },
    }),
  ];
}

const key = expect.stringMatching(/^ctr-images-mount-\d+-[\w-]{4}$/);

test("images mount without TARGET has the daemon mount, and prints where", async () => {
  const record: unknown[] = [];
  const services = mountServices([{ type: "bind", source: "/run/daemon/t/1" }], record);
  await using daemon = await startTransferDaemon({ transfer: none, services });
  const { code, stdout, stderr } = await run([ourCtr, "-a", daemon.address, "i", "mount", "x:1"]);
  expect([code, stdout, stderr]).toEqual([0, `${diffID}\n/run/daemon/t/1\n`, ""]);
  expect(record).toEqual([
    { lease: key },
    { view: key, parent: diffID },
    { activate: key, temporary: true, types: ["overlay"] },
  ]);
});

test("images mount without TARGET refuses mounts that are not one place, and lets go of its lease", async () => {
  const record: unknown[] = [];
  await using daemon = await startTransferDaemon({
    transfer: none,
    services: mountServices([{ type: "ext4", source: "/dev/x" }], record),
  });
  const { code, stderr } = await run([ourCtr, "-a", daemon.address, "i", "mount", "x:1"]);
  expect([code, stderr.split("\n")[0]]).toEqual([1, "ctr: cannot handle returned mounts: [{ext4 /dev/x  []}]"]);
  expect(record.at(-1)).toEqual({ released: key });
});

test("images mount on a real 1.6 needs a TARGET, and a second mount that fails leaves the first its lease", async () => {
  await using daemon = await startContainerd();
  const archive = join(daemon.dir, "busybox.tar");
  const target = join(daemon.dir, "mounted");
  await mkdir(target);
  await archiveOf(await busyboxLayout(), archive);
  const ctr = (...words: readonly string[]) => run([ourCtr, "-a", daemon.address, ...words]);
  const leases = () => mustRun(["ctr", "-a", daemon.address, "leases", "ls", "-q"]);
  expect((await ctr("i", "import", "--base-name", "docker.io/library/busybox", archive)).code).toBe(0);
  const [image = ""] = (await mustRun(["ctr", "-a", daemon.address, "i", "ls", "-q"])).split("\n");
  expect(await ctr("i", "mount", image)).toEqual({
    code: 1,
    stdout: "",
    stderr: "ctr: please provide a target path to mount to\n",
  });
  expect(await leases()).toBe("");
  expect((await ctr("i", "mount", image, target)).code).toBe(0);
  expect((await ctr("i", "mount", "nosuch:1", target)).code).toBe(1);
  expect(await leases()).toBe(`${target}\n`);
  expect((await ctr("i", "unmount", "--rm", target)).code).toBe(0);
  expect(await leases()).toBe("");
});
