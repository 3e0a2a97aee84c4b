import { expect, test } from "bun:test";
import { NAMESPACE_HEADER } from "@ctr/api";
import { EngineContent } from "../content/store.ts";
import { openTestStore } from "../testing/test-store.ts";
import { contentService } from "./content.ts";
import { imagesService } from "./images.ts";

const context = { signal: new AbortController().signal, metadata: { [NAMESPACE_HEADER]: "default" } };

test.each([
  ["a path", "../../../../etc/passwd"],
  ["a path after an algorithm", "sha256:../../../../etc/passwd"],
  ["an algorithm that climbs", `../../sha256:${"a".repeat(64)}`],
  ["nothing", ""],
])("R24: services take no call about %s as a digest", async (_what, digest) => {
  using store = openTestStore();
  const content = contentService(() => new EngineContent(store, { namespace: "default", lease: undefined }));
  const target = { mediaType: "text/plain", digest, size: 1n, annotations: {} };
  const times = { createdAt: undefined, updatedAt: undefined };
  const calls = [
    () => content.info({ digest }, context),
    () => content.update({ info: { digest, size: 1n, labels: {}, ...times }, updateMask: undefined }, context),
    () => content.delete({ digest }, context),
    () => Array.fromAsync(content.read({ digest, offset: 0n, size: 0n }, context)),
    () =>
      imagesService(store).create(
        { image: { name: "i", labels: {}, target, ...times }, sourceDateEpoch: undefined },
        context,
      ),
  ];
  for (const call of calls) {
    const answered = Promise.try<unknown, []>(call);
    await expect(answered).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(/^cannot read digest/),
    });
  }
});
