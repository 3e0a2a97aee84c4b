import { expect, test } from "bun:test";
import { soak } from "./soak.ts";
import { verdictOn } from "./verdict.ts";

/** The hour is `npm run soak`. */
const SECONDS = 60;

test("64 Go clients at mixed work for a minute meet no fault, and leave nothing of theirs in the daemon", async () => {
  const report = await soak({ clients: 64, seconds: SECONDS });
  expect(verdictOn(report)).toEqual([]);
  // A kind of work that was never done would prove nothing.
  const kinds = ["content", "events", "image", "lease", "list", "pull", "reconnect", "run", "snapshot"];
  expect(kinds.filter((kind) => (report.done[kind] ?? 0) === 0)).toEqual([]);
}, 300_000);
