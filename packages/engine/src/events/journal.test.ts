import { expect, test } from "bun:test";
import { encodeAny } from "@ctr/api";
import { openTestStore } from "../testing/test-store.ts";
import { publish } from "./journal.ts";

test("publish() calls followers once for all events of a transaction", () => {
  using store = openTestStore();
  const event = encodeAny("containerd.events.TaskOOM", { containerId: "c" });
  let effects = 0;
  const publishThree = () =>
    store.db.write((tx) => {
      const counting = { ...tx, afterCommit: () => effects++ };
      for (let count = 0; count < 3; count++) publish(store, counting, { namespace: "ns", topic: "/t", event });
    });
  publishThree();
  expect(effects).toBe(1);
  publishThree();
  expect(effects).toBe(2);
});
