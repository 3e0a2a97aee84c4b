import { expect, test } from "bun:test";
import { needsManager, planMounts } from "./plan.ts";

const of = (type: string) => ({ type, source: "s", target: "", options: [] });
const types = (list: readonly { readonly mount: { readonly type: string } }[]) => list.map(({ mount }) => mount.type);

test.each([
  ["the first that fills something in is the caller's", ["bind", "format/overlay"], ["bind"], ["overlay"]],
  ["a loop device is ours", ["loop", "ext4"], ["loop"], ["ext4"]],
  ["everything before the last of ours is ours", ["bind", "loop", "format/ext4"], ["bind", "loop"], ["ext4"]],
  ["a loop device that is made is ours", ["format/mkfs/loop"], ["loop"], []],
  ["a type with a slash of its own stays whole", ["format/fuse/x", "bind"], [], ["fuse/x", "bind"]],
])("planMounts(): %s", (_why, list, own, system) => {
  const plan = planMounts(list.map(of), { everything: false });
  expect([types(plan.own), types(plan.system)]).toEqual([own, system]);
  expect(needsManager(list.map(of))).toBe(true);
});

test("planMounts() keeps transforms in the order of their prefixes", () => {
  const { system } = planMounts([of("format/mkdir/overlay")], { everything: false });
  expect(system[0]?.transforms).toEqual(["format", "mkdir"]);
});

test("planMounts() leaves a list that the kernel knows to the caller, unless everything is to be mounted", () => {
  const list = [of("bind"), of("overlay"), of("fuse.x"), of("unknown/ext4")];
  expect(() => planMounts(list, { everything: false })).toThrow(expect.objectContaining({ code: "unimplemented" }));
  expect(planMounts(list, { everything: true }).own).toHaveLength(4);
  expect(() => planMounts([], { everything: true })).toThrow(expect.objectContaining({ code: "unimplemented" }));
  expect(needsManager(list)).toBe(false);
});
