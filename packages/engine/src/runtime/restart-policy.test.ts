import { expect, test } from "bun:test";
import { RESTART, restartAction } from "./restart-policy.ts";

const running = { status: "running", exitStatus: 0 } as const;
const none = { status: "none", exitStatus: 0 } as const;
const ended = (exitStatus: number) => ({ status: "stopped", exitStatus }) as const;
const labels = (policy?: string, more: Readonly<Record<string, string>> = {}) => ({
  [RESTART.status]: "running",
  ...(policy === undefined ? {} : { [RESTART.policy]: policy }),
  ...more,
});

test.each([
  [labels(), none, "start"],
  [labels(), ended(0), "start"],
  [labels(), running, "leave"],
  [labels(), { status: "other", exitStatus: 0 }, "leave"],
  [labels("always"), ended(0), "start"],
  [labels("no"), ended(1), "leave"],
  [labels("sometimes"), ended(1), "leave"],
  [labels("on-failure"), ended(0), "leave"],
  [labels("on-failure"), ended(2), "start"],
  [labels("on-failure"), none, "start"],
  [labels("on-failure:2", { [RESTART.count]: "1" }), ended(2), "start"],
  [labels("on-failure:2", { [RESTART.count]: "2" }), ended(2), "leave"],
  [labels("on-failure:x"), ended(2), "leave"],
  [labels("unless-stopped"), ended(0), "start"],
  [labels("unless-stopped", { [RESTART.explicitlyStopped]: "true" }), ended(0), "leave"],
  [{ [RESTART.status]: "stopped" }, running, "stop"],
  [{ [RESTART.status]: "stopped" }, ended(0), "leave"],
  [{ [RESTART.status]: "stopped" }, none, "leave"],
  [{}, ended(0), "leave"],
] as const)("restartAction(%j, %j) is %s", (given, task, action) => {
  expect(restartAction(given, task)).toBe(action);
});
