import { expect, test } from "bun:test";
import { imageConfigLabels } from "./image-labels.ts";

test.each([
  ["containerd.io/restart.loguri", "binary:///bin/sh"],
  ["containerd.io/restart.status", "running"],
  ["containerd.io/gc.root", "now"],
  ["io.containerd.image.config.stop-signal", "SIGSTOP"],
  ["io.containerd.ttrpc.v1", "x"],
  ["io.cri-containerd.kind", "sandbox"],
  ["nerdctl/namespace", "default"],
])("R18: imageConfigLabels() drops %s, which only people may set", (key, value) => {
  expect(imageConfigLabels({ [key]: value, maintainer: "somebody" })).toEqual({ maintainer: "somebody" });
});

test("R18: imageConfigLabels() keeps names that only look alike", () => {
  const labels = { "org.example/containerd.io/x": "1", containerd: "2", "io.containerdx": "3" };
  expect(imageConfigLabels(labels)).toEqual(labels);
});
