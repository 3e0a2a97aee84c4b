import { expect, test } from "bun:test";
import { encodeAny, encodeJsonAny } from "@ctr/api";
import { parseFilters } from "../metadata/filters.ts";
import { eventFields } from "./event-fields.ts";
import { checkTopic } from "./topic.ts";

const io = { stdin: "/in", terminal: false };
const event = encodeAny("containerd.events.TaskCreate", { containerId: "c", io, pid: 7, rootfs: [{ type: "bind" }] });
const image = encodeAny("containerd.services.images.v1.ImageCreate", { name: "i", labels: { "a.b": "1" } });
const envelope = (any: typeof event) => ({ timestamp: undefined, namespace: "ns", topic: "/tasks/create", event: any });

test.each([
  ["namespace==ns", true],
  ['topic=="/tasks/create"', true],
  ["event.container_id==c", true],
  ["event.containerId==c", false],
  ["event.io.stdin~=|^/in$|", true],
  ["event.io.stdout", false],
  ["event.io.terminal==false", true],
  ["event.io", false],
  ["event.pid", false],
  ["event.rootfs", false],
  ["event.nope!=x", true],
  ["event", false],
])("eventFields() answers %s", (filter, passes) => {
  expect(parseFilters([filter])(eventFields(envelope(event)))).toBe(passes);
});

test("eventFields() finds labels with dots, and nothing in payloads it cannot read", () => {
  const passes = (filter: string, any: typeof event) => parseFilters([filter])(eventFields(envelope(any)));
  expect(passes("event.labels.a.b==1", image)).toBe(true);
  expect(passes("event.labels.a", image)).toBe(false);
  expect(passes("event.name", encodeJsonAny("types.containerd.io/x", { name: "i" }))).toBe(false);
  expect(passes("event.name", { typeUrl: "unknown.Type", value: new Uint8Array() })).toBe(false);
  const broken = { typeUrl: "containerd.events.TaskCreate", value: Uint8Array.of(0xff) };
  expect(passes("event.container_id", broken)).toBe(false);
  expect(passes("namespace==ns", broken)).toBe(true);
});

test.each(["/a", "/a/b-c/d"])("checkTopic() takes %s", (topic) => {
  expect(checkTopic(topic)).toBe(topic);
});

test.each(["", "/", "a/b", "/a/", "/a//b", "/a/ b"])("checkTopic() refuses %j", (topic) => {
  expect(() => checkTopic(topic)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
});
