import type { RawRequest, Reply } from "../../support/raw-server.ts";
import { always, first, hangUp, isUpload, raw, reset, type Scene, type Spoil, type TortureCase } from "./case.ts";

const opens = ({ method, path, headers }: RawRequest) =>
  method === "POST" && path.endsWith("/blobs/uploads/") && headers["authorization"] !== undefined;
const sendsBytes = (request: RawRequest) => isUpload(request) || request.method === "PATCH";
const stores = ({ method, path, headers }: RawRequest) =>
  method === "PUT" && path.includes("/manifests/") && headers["authorization"] !== undefined;
const at = (location: string | undefined): Reply => ({
  status: 202,
  headers: location === undefined ? {} : { Location: location },
});
const push = (when: string, ends: "well" | RegExp, spoil: (scene: Scene) => Spoil): TortureCase => ({
  when,
  ends,
  command: "push",
  spoil,
});

/** A server that puts pieces together, each at most `limit` bytes; the second piece it claims not to have had. */
function takesAtMost({ registry }: Scene, limit: number): Spoil {
  let held = Buffer.alloc(0);
  let misplaces = 1;
  return (request) => {
    if (opens(request)) held = Buffer.alloc(0);
    if (request.body.byteLength > limit && request.path.includes("/blobs/")) return { status: 413 };
    if (request.method === "PATCH") {
      const from = Number(request.headers["content-range"]?.split("-")[0]);
      if (from > 0 && misplaces-- > 0) held = held.subarray(0, 1000);
      if (from !== held.byteLength) return { status: 416, headers: { Range: `0-${held.byteLength - 1}` } };
      held = Buffer.concat([held, request.body]);
      return at(request.path);
    }
    const whole = isUpload(request) && request.headers["authorization"] !== undefined && held.byteLength > 0;
    return whole ? registry.reply({ ...request, body: held }) : undefined;
  };
}

/** Uploads. */
export const pushCases: readonly TortureCase[] = [
  push("an upload's Location is a path with a query", "well", () =>
    always(opens, () => at("/v2/lib/pushed/blobs/uploads/session?state=a%2Fb")),
  ),
  push("an upload's Location is a whole URL", "well", () =>
    always(opens, (request) => at(`http://${request.headers["host"]}/v2/lib/pushed/blobs/uploads/session`)),
  ),
  push("an upload's Location is a host without a scheme", "well", () =>
    always(opens, (request) => at(`//${request.headers["host"]}/v2/lib/pushed/blobs/uploads/session`)),
  ),
  {
    ...push("an upload's Location is another origin", "well", (scene) => {
      scene.atOther.answer = () => ({ status: 201 });
      return always(opens, () => at(`http://${scene.other.host}/upload`));
    }),
    after: (scene) => {
      if (scene.other.requests.length === 0) throw new Error("the other origin was not asked");
    },
  },
  push("an upload has no Location", /unable to parse location/, () => always(opens, () => at(undefined))),
  push("an upload's Location is a file", /unable to parse location/, () =>
    always(opens, () => at("file:///etc/passwd")),
  ),
  push("an upload is gone in the middle", /404 Status/, () => always(isUpload, () => ({ status: 404, body: "{}" }))),
  push("an upload is gone in the middle once", "well", () => first(1, isUpload, () => ({ status: 404, body: "{}" }))),
  push("an upload is out of range", /416 Status/, () =>
    always(isUpload, () => ({ status: 416, headers: { Range: "0-9" } })),
  ),
  push("an upload is stored under another digest", /the registry stored something else/, () =>
    always(isUpload, () => ({ status: 201, headers: { "Docker-Content-Digest": `sha256:${"0".repeat(64)}` } })),
  ),
  push("an upload is reset once", "well", () =>
    first(1, isUpload, (_, socket) => {
      reset(socket);
      return true;
    }),
  ),
  push("an upload meets 503 twice", "well", () =>
    first(2, isUpload, () => ({ status: 503, headers: { "Retry-After": "0" } })),
  ),
  push("an upload's answer never comes once", "well", () => first(1, isUpload, () => true)),
  {
    ...push("an upload is refused before it is read", /413 Status/, () =>
      always(sendsBytes, () => ({ status: 413, headers: { Connection: "close" } })),
    ),
    headOnly: sendsBytes,
  },
  {
    ...push("an upload is neither read nor answered", /sent nothing for 2 s/, () => always(isUpload, () => true)),
    headOnly: isUpload,
  },
  push("an upload is redirected to another origin", "well", (scene) => {
    scene.atOther.answer = () => ({ status: 201 });
    return always(isUpload, (): Reply => ({ status: 307, headers: { Location: `http://${scene.other.host}/upload` } }));
  }),
  {
    ...push("a proxy takes no more than 100 kB at once", "well", (scene) => takesAtMost(scene, 100_000)),
    after: ({ registry, layer }) => {
      const stored = registry.pushed.get(layer);
      if (stored === undefined || !stored.equals(registry.image.blobs.get(layer) ?? Buffer.alloc(0)))
        throw new Error("not all was stored");
    },
  },
  push("a proxy takes nothing at all", /413 Status/, (scene) => takesAtMost(scene, 0)),
  push("a manifest is stored under another digest", /the registry stored something else/, () =>
    always(stores, () => ({ status: 201, headers: { "Docker-Content-Digest": `sha256:${"0".repeat(64)}` } })),
  ),
  push("a manifest is refused with words", /manifest invalid: no such layer/, () =>
    always(stores, () => ({
      status: 400,
      body: JSON.stringify({ errors: [{ code: "MANIFEST_INVALID", message: "no such layer" }] }),
    })),
  ),
  push("a manifest's answer is no HTTP", /malformed HTTP response/, () =>
    always(stores, raw("220 smtp.example ESMTP\r\n", hangUp)),
  ),
];
