import { expect, test } from "bun:test";
import { formatMount } from "./format.ts";

const standing = ["/m/1", "/m/2", "/m/3"].map((mountPoint, at) => ({
  mount: { type: "bind", source: `/source-${at}`, target: `target-${at}`, options: [] },
  mountPoint,
}));
const filled = (source: string) => formatMount({ type: "x", source, target: "", options: [] }, standing).source;

test.each([
  ["{{ source 0 }}", "/source-0"],
  ["{{target 1}}/{{- mount 2 -}}", "target-1//m/3"],
  ["{{ overlay 0 2 }}", "/m/1:/m/2:/m/3"],
  ["{{ overlay 2 1 }}", "/m/3:/m/2"],
  ["{{ overlay 1 1 }}", "/m/2"],
  ["nothing to fill in", "nothing to fill in"],
])("formatMount() fills in %s", (text, expected) => {
  expect(filled(text)).toBe(expected);
});

test("formatMount() fills in source, target and every option", () => {
  const mount = {
    type: "overlay",
    source: "{{ mount 0 }}",
    target: "{{ target 0 }}",
    options: ["a={{ mount 1 }}", "ro"],
  };
  expect(formatMount(mount, standing)).toEqual({
    type: "overlay",
    source: "/m/1",
    target: "target-0",
    options: ["a=/m/2", "ro"],
  });
});

test.each([
  ["a mount that is not there", "{{ mount 3 }}"],
  ["a range that goes past the last", "{{ overlay 0 999999999 }}"],
  ["an unknown word", "{{ env 0 }}"],
  ["no number", "{{ mount }}"],
  ["too many numbers", "{{ mount 0 1 }}"],
  ["a range with one end", "{{ overlay 0 }}"],
  ["a negative number", "{{ mount -1 }}"],
  ["another of Go's templates", "{{ range . }}"],
])("formatMount() refuses %s", (_why, text) => {
  expect(() => filled(text)).toThrow(/^cannot fill in \{\{/);
});
