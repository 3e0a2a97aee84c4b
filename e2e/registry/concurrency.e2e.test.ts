import { afterAll, beforeAll, expect, test } from "bun:test";
import { ourCtr } from "../support/binaries.ts";
import { type PrivateContainerd, startContainerd } from "../support/containerd.ts";
import { type Answer, layoutAnswer, startFaultyRegistry } from "../support/faulty-registry.ts";
import { type Layout, nginxLayout, sha256 } from "../support/images.ts";
import { mustRun, run } from "../support/process.ts";

/** How many blobs are on their way at once, as the flags say. */
let daemon: PrivateContainerd;
let layout: Layout;
beforeAll(async () => {
  [daemon, layout] = await Promise.all([startContainerd(), nginxLayout()]);
});
afterAll(() => daemon[Symbol.asyncDispose]());

const bare = { HOME: "", DOCKER_CONFIG: "" };

/** Counts the requests that `answer` is busy with, and lets each wait for `company` others, once. */
function counting(isCounted: (request: Request, path: string) => boolean, company: number, answer: Answer) {
  const state = { busy: 0, most: 0 };
  const together = Promise.withResolvers<void>();
  const counted: Answer = async (request, path) => {
    if (!isCounted(request, path)) return await answer(request, path);
    state.busy++;
    state.most = Math.max(state.most, state.busy);
    if (state.busy >= company) together.resolve();
    try {
      // Requests that were sent at the same time are here after this: each came over a connection of its own.
      await together.promise;
      return await answer(request, path);
    } finally {
      state.busy--;
    }
  };
  return { state, counted };
}

test.each([[1], [2]])(
  "pull --max-concurrent-downloads %d: no more blobs at once than that, and as many",
  async (limit) => {
    const isBlob = (_request: Request, path: string) => path.includes("/blobs/");
    const { state, counted } = counting(isBlob, limit, layoutAnswer(layout, "lib/nginx", "1"));
    await using registry = await startFaultyRegistry(counted);
    const words = ["--plain-http", "--local", "--all-platforms", "--max-concurrent-downloads", `${limit}`];
    const globals = ["-a", daemon.address, "-n", `down-${limit}`];
    const pulled = await run([ourCtr, ...globals, "images", "pull", ...words, `${registry.host}/lib/nginx:1`], {
      env: bare,
    });
    expect(pulled).toMatchObject({ code: 0, stderr: "" });
    expect(state.most).toBe(limit);
    await mustRun([ourCtr, ...globals, "images", "rm", "--sync", `${registry.host}/lib/nginx:1`]);
  },
);

test.each([[1], [2]])(
  "push --max-concurrent-uploaded-layers %d: no more layers at once than that, and as many",
  async (limit) => {
    await using source = await startFaultyRegistry(layoutAnswer(layout, "lib/nginx", "1"));
    const globals = ["-a", daemon.address, "-n", `up-${limit}`];
    const local = `${source.host}/lib/nginx:1`;
    await mustRun([ourCtr, ...globals, "content", "fetch", "--plain-http", "--all-platforms", local], { env: bare });
    const isUpload = (request: Request, path: string) => request.method === "PUT" && path.includes("/uploads/");
    const accept: Answer = async (request, path) => {
      if (request.method === "HEAD") return new Response("", { status: 404 });
      if (request.method === "POST") return new Response("", { status: 202, headers: { location: `${path}1` } });
      const digest = sha256(new Uint8Array(await request.arrayBuffer()));
      return new Response("", { status: 201, headers: { "docker-content-digest": digest } });
    };
    const { state, counted } = counting(isUpload, limit, accept);
    await using registry = await startFaultyRegistry(counted);
    const words = ["--plain-http", "--local", "--max-concurrent-uploaded-layers", `${limit}`];
    const pushed = await run([ourCtr, ...globals, "images", "push", ...words, `${registry.host}/mine:1`, local], {
      env: bare,
    });
    expect(pushed).toMatchObject({ code: 0, stderr: "" });
    expect(state.most).toBe(limit);
  },
);
