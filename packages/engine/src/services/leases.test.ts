import { expect, test } from "bun:test";
import { LEASE_OWNER_HEADER, NAMESPACE_HEADER } from "@ctr/api";
import { processIdentity } from "@ctr/sys";
import { openTestStore } from "../testing/test-store.ts";
import { leasesService } from "./leases.ts";

const { signal } = new AbortController();
const [, ...rest] = processIdentity().split(" ");

test.each([
  ["no process", undefined, ""],
  ["the caller's process", processIdentity(), processIdentity()],
  ["a process that has ended", `1 ${rest.join(" ").replace(/^\d+/, "7")}`, ""],
  ["a process of another pid namespace", processIdentity().replace(/pid:.*/, "pid:[1]"), ""],
])("leasesService() lets a lease be owned only by a process it can watch: %s", async (_what, header, owner) => {
  using store = openTestStore();
  const owned = header === undefined ? {} : { [LEASE_OWNER_HEADER]: header };
  const metadata = { [NAMESPACE_HEADER]: "ns", ...owned };
  const { lease } = await leasesService(store).create({ id: "", labels: {} }, { signal, metadata });
  expect(lease?.id).toMatch(/^\d{1,9}-[\w-]{4}$/);
  expect(store.db.read((tx) => tx.all<{ readonly owner: string }>("SELECT owner FROM leases"))).toEqual([{ owner }]);
});
