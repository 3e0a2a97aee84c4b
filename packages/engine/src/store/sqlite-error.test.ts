import { expect, test } from "bun:test";
import { sqliteError } from "./sqlite-error.ts";

test("no room for the log's index is told as a full disk, whichever binding says it", () => {
  const told = {
    code: "resource_exhausted",
    why: expect.stringContaining("disk is full"),
    fix: "make room on the disk",
  };
  const ofBun = Object.assign(new Error("disk I/O error"), { name: "SQLiteError", errno: 4874 });
  const ofNode = Object.assign(new Error("disk I/O error"), { errcode: 4874 });
  expect(sqliteError(ofBun, "cannot open database", "/db")).toMatchObject(told);
  expect(sqliteError(ofNode, "cannot open database", "/db")).toMatchObject(told);
  expect(sqliteError(new Error("else"), "cannot open database", "/db")).toMatchObject({ message: "else" });
});
