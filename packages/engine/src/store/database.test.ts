import { Database as Sqlite } from "bun:sqlite";
import { afterEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Database, type ReadTx } from "./database.ts";
import { migrations, SCHEMA_VERSION } from "./schema.ts";

const dirs: string[] = [];

afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});

function newDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "ctr-db-"));
  dirs.push(dir);
  return dir;
}

function namesIn(db: Database): readonly string[] {
  return db
    .read((tx) => tx.all<{ readonly name: string }>("SELECT name FROM namespaces ORDER BY name"))
    .map(({ name }) => name);
}

function insert(db: Database, name: string): void {
  db.write((tx) => tx.run("INSERT INTO namespaces (name) VALUES (?)", name));
}

/** A program that opens the database and writes `count` rows of its own, once it reads a line. */
const writer = `
  import { Database } from ${JSON.stringify(import.meta.resolve("./database.ts"))};
  const [path, name, count] = process.argv.slice(-3);
  console.log("ready");
  for await (const _line of console) break;
  using db = new Database(path);
  for (let row = 0; row < Number(count); row++) {
    db.write((tx) => tx.run("INSERT INTO namespaces (name) VALUES (?)", name + row));
  }
`;

test("Database makes its tables in an empty file, once", () => {
  const path = join(newDir(), "meta.db");
  {
    using db = new Database(path);
    insert(db, "a");
  }
  using db = new Database(path);
  expect(namesIn(db)).toEqual(["a"]);
  const version = new Sqlite(path).query("PRAGMA user_version").get();
  expect(version).toEqual({ user_version: SCHEMA_VERSION });
});

test("Database brings a file of the first version up to date and keeps its rows", () => {
  const path = join(newDir(), "meta.db");
  const old = new Sqlite(path);
  old.run(migrations[0] ?? "");
  old.run("PRAGMA user_version = 1");
  old.run("INSERT INTO namespaces (name) VALUES ('a')");
  old.close();
  using db = new Database(path);
  expect(namesIn(db)).toEqual(["a"]);
  expect(db.read((tx) => tx.all("SELECT * FROM proxied_snapshots"))).toEqual([]);
  expect(new Sqlite(path).query("PRAGMA user_version").get()).toEqual({ user_version: SCHEMA_VERSION });
});

test("Database is made by one of many processes that open it at once, and loses no write of any", async () => {
  const path = join(newDir(), "meta.db");
  const children = Array.from({ length: 4 }, (_, index) =>
    Bun.spawn([process.execPath, "-e", writer, path, `p${index}-`, "25"], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    }),
  );
  // All wait at the line before the one that opens it.
  await Promise.all(children.map((child) => child.stdout.getReader().read()));
  for (const child of children) {
    child.stdin.write("go\n");
    child.stdin.end();
  }
  const faults = await Promise.all(children.map((child) => new Response(child.stderr).text()));
  expect(faults).toEqual(["", "", "", ""]);
  expect(await Promise.all(children.map((child) => child.exited))).toEqual([0, 0, 0, 0]);
  using db = new Database(path);
  expect(namesIn(db)).toHaveLength(100);
}, 20_000);

test("Database refuses a file that a newer program wrote", () => {
  const path = join(newDir(), "meta.db");
  new Database(path)[Symbol.dispose]();
  const raw = new Sqlite(path);
  raw.run(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
  raw.close();
  expect(() => new Database(path)).toThrow(expect.objectContaining({ code: "failed_precondition" }));
});

test("write() refuses once another program has changed the schema meanwhile", () => {
  const path = join(newDir(), "meta.db");
  using db = new Database(path);
  const raw = new Sqlite(path);
  raw.run(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
  raw.close();
  expect(() => insert(db, "a")).toThrow(expect.objectContaining({ code: "failed_precondition" }));
});

test("Database that only read leaves the log of the one that wrote where it is, and has written nothing", () => {
  const path = join(newDir(), "meta.db");
  {
    using db = new Database(path);
    insert(db, "a");
  }
  {
    using db = new Database(path);
    expect(namesIn(db)).toEqual(["a"]);
    expect(db.hasWritten).toBe(false);
  }
  expect(existsSync(`${path}-wal`)).toBe(true);
});

test("read() sees what the first write after it wrote, and what others did meanwhile", () => {
  const path = join(newDir(), "meta.db");
  new Database(path)[Symbol.dispose]();
  using db = new Database(path);
  expect(namesIn(db)).toEqual([]);
  using other = new Database(path);
  insert(other, "b");
  expect(namesIn(db)).toEqual(["b"]);
  insert(db, "a");
  expect(namesIn(db)).toEqual(["a", "b"]);
  expect(db.hasWritten).toBe(true);
});

test("Database is read where there is no room for the index of its log", async () => {
  const path = join(newDir(), "meta.db");
  {
    using db = new Database(path);
    insert(db, "a");
  }
  const read = `
    import { Database } from ${JSON.stringify(import.meta.resolve("./database.ts"))};
    using db = new Database(${JSON.stringify(path)});
    console.log(db.read((tx) => tx.all("SELECT name FROM namespaces")).length);
  `;
  // The index takes 32 KiB, and no file may have more than eight.
  const limited = ["bash", "-c", `trap '' XFSZ; ulimit -f 8; exec "$@"`, "limit", process.execPath, "-e", read];
  const child = Bun.spawn(limited, { cwd: import.meta.dir, stderr: "inherit" });
  expect(await new Response(child.stdout).text()).toBe("1\n");
});

test("write() is refused once the database was closed", () => {
  const path = join(newDir(), "meta.db");
  new Database(path)[Symbol.dispose]();
  const db = new Database(path);
  db[Symbol.dispose]();
  db[Symbol.dispose]();
  expect(() => insert(db, "a")).toThrow(expect.objectContaining({ code: "internal" }));
});

test("Database says that a file is no database", () => {
  const path = join(newDir(), "meta.db");
  writeFileSync(path, "not a database, but long enough to be taken for one ".repeat(100));
  expect(() => new Database(path)).toThrow(expect.objectContaining({ code: "data_loss" }));
});

test("C7: Database refuses a write-ahead log that is none, and passes over one that lost its power", () => {
  const path = join(newDir(), "meta.db");
  new Database(path)[Symbol.dispose]();
  writeFileSync(`${path}-wal`, Buffer.alloc(5000, 0xa5));
  expect(() => new Database(path)).toThrow(expect.objectContaining({ code: "data_loss" }));
  writeFileSync(`${path}-wal`, Buffer.alloc(5000));
  using db = new Database(path);
  insert(db, "a");
  expect(namesIn(db)).toEqual(["a"]);
});

test.each([0, 1])("C7: write() refuses a file that is not the one that was opened, after %d writes to it", (writes) => {
  const dir = newDir();
  const path = join(dir, "meta.db");
  using db = new Database(path);
  for (let n = 0; n < writes; n++) insert(db, `before-${n}`);
  renameSync(path, join(dir, "aside"));
  new Database(join(dir, "fresh"))[Symbol.dispose]();
  renameSync(join(dir, "fresh"), path);
  expect(() => insert(db, "a")).toThrow(expect.objectContaining({ code: "failed_precondition" }));
});

test("C5: write() refuses a directory that is not the one that was opened", () => {
  const dir = newDir();
  const root = join(dir, "root");
  mkdirSync(root);
  using db = new Database(join(root, "meta.db"));
  insert(db, "a");
  renameSync(root, join(dir, "old"));
  expect(() => insert(db, "b")).toThrow(expect.objectContaining({ code: "failed_precondition" }));
  mkdirSync(root);
  expect(() => insert(db, "c")).toThrow(expect.objectContaining({ code: "failed_precondition" }));
  renameSync(root, join(dir, "other"));
  renameSync(join(dir, "old"), root);
  insert(db, "d");
  expect(namesIn(db)).toEqual(["a", "d"]);
});

test("write() undoes everything when its function throws, and runs no effect", () => {
  using db = new Database(join(newDir(), "meta.db"));
  let effects = 0;
  const fail = () =>
    db.write((tx) => {
      tx.afterCommit(() => effects++);
      tx.run("INSERT INTO namespaces (name) VALUES ('a')");
      throw new Error("on purpose");
    });
  expect(fail).toThrow("on purpose");
  expect(namesIn(db)).toEqual([]);
  expect(effects).toBe(0);
  insert(db, "b");
  expect(namesIn(db)).toEqual(["b"]);
});

test("write() keeps the error of its function when that has ended the transaction by itself", () => {
  using db = new Database(join(newDir(), "meta.db"));
  const fail = () =>
    db.write((tx) => {
      tx.run("ROLLBACK");
      throw new Error("the first error");
    });
  expect(fail).toThrow("the first error");
  insert(db, "a");
  expect(namesIn(db)).toEqual(["a"]);
});

test("write() runs effects after the commit, when other connections see it", () => {
  const path = join(newDir(), "meta.db");
  using db = new Database(path);
  using other = new Database(path);
  let seen: readonly string[] = [];
  db.write((tx) => {
    tx.run("INSERT INTO namespaces (name) VALUES ('a')");
    tx.afterCommit(() => {
      seen = namesIn(other);
    });
    expect(namesIn(other)).toEqual([]);
  });
  expect(seen).toEqual(["a"]);
});

test("write() refuses a transaction inside another, and one that would wait", () => {
  using db = new Database(join(newDir(), "meta.db"));
  expect(() => db.write(() => insert(db, "a"))).toThrow("a transaction was begun inside another");
  expect(() => db.write(async () => {})).toThrow("promise");
  insert(db, "b");
});

test("a process that is killed in a transaction leaves nothing of it, and holds nobody up", async () => {
  const path = join(newDir(), "meta.db");
  using db = new Database(path);
  const source = `
    import { Database } from ${JSON.stringify(import.meta.resolve("./database.ts"))};
    new Database(process.argv.at(-1)).write((tx) => {
      tx.run("INSERT INTO namespaces (name) VALUES ('half')");
      process.kill(process.pid, "SIGKILL");
    });`;
  const child = Bun.spawn([process.execPath, "-e", source, path], { stderr: "ignore" });
  await child.exited;
  expect(child.signalCode).toBe("SIGKILL");
  insert(db, "whole");
  expect(namesIn(db)).toEqual(["whole"]);
});

test("writeTogether() writes what comes at once in one transaction; what fails undoes only itself", async () => {
  using db = new Database(join(newDir(), "meta.db"));
  const effects: string[] = [];
  let writes = 0;
  const add = (name: string) =>
    db.writeTogether((tx) => {
      writes += 1;
      tx.run("INSERT INTO namespaces (name) VALUES (?)", name);
      tx.afterCommit(() => effects.push(name));
      if (name === "bad") throw new Error("not this one");
      return name;
    });
  const results = await Promise.allSettled([add("a"), add("bad"), add("b")]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(namesIn(db)).toEqual(["a", "b"]);
  expect(effects).toEqual(["a", "b"]);
  expect(writes).toBe(3);
});

test("writeTogether() fails all when the transaction fails", async () => {
  const dir = newDir();
  using db = new Database(join(dir, "meta.db"));
  const waiting = ["a", "b"].map((name) =>
    db.writeTogether((tx) => tx.run("INSERT INTO namespaces (name) VALUES (?)", name)),
  );
  renameSync(dir, `${dir}-moved`);
  dirs.push(`${dir}-moved`);
  const results = await Promise.allSettled(waiting);
  expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
});

test("writeTogether() that is not to be synced waits for no disk, and sync() tells that there is none", async () => {
  const dir = newDir();
  using db = new Database(join(dir, "meta.db"));
  await db.sync();
  const add = (name: string) =>
    db.writeTogether((tx) => tx.run("INSERT INTO namespaces (name) VALUES (?)", name), { synced: false });
  await add("a");
  await db.sync();
  renameSync(`${db.path}-wal`, `${db.path}-gone`);
  await add("b");
  await expect(db.sync()).rejects.toThrow("no such file");
  renameSync(`${db.path}-gone`, `${db.path}-wal`);
});

test("writeUnsynced() is seen by others, and the next write waits for the disk again", () => {
  const path = join(newDir(), "meta.db");
  using db = new Database(path);
  using other = new Database(path);
  db.writeUnsynced((tx) => tx.run("INSERT INTO namespaces (name) VALUES (?)", "a"));
  expect(namesIn(other)).toEqual(["a"]);
  const level = (tx: ReadTx) => tx.get<{ readonly synchronous: bigint }>("PRAGMA synchronous")?.synchronous;
  expect(db.writeUnsynced(level)).toBe(1n);
  expect(db.write(level)).toBe(2n);
});

test("writeSettled() waits for the disk, and where the database settles late leaves that to settle()", async () => {
  const path = join(newDir(), "meta.db");
  using eager = new Database(path);
  using late = new Database(path, { settlesLate: true });
  const level = (tx: ReadTx) => tx.get<{ readonly synchronous: bigint }>("PRAGMA synchronous")?.synchronous;
  expect(eager.writeSettled(level)).toBe(2n);
  expect(late.writeSettled(level)).toBe(1n);
  await late.settle();
  await eager.settle();
});

test("settle() tells that the disk refused what was written", async () => {
  const path = join(newDir(), "meta.db");
  using db = new Database(path, { settlesLate: true });
  insert(db, "a");
  db.writeSettled((tx) => tx.run("INSERT INTO namespaces (name) VALUES ('b')"));
  rmSync(`${path}-wal`);
  await expect(db.settle()).rejects.toMatchObject({ what: "cannot write database" });
});

test("a database that has no log, as a repair leaves it, has one from the first write on", async () => {
  const path = join(newDir(), "meta.db");
  new Database(path)[Symbol.dispose]();
  {
    using raw = new Sqlite(path);
    raw.run("PRAGMA journal_mode = DELETE");
  }
  using db = new Database(path);
  await db.writeTogether((tx) => tx.run("INSERT INTO namespaces (name) VALUES ('a')"));
  expect(namesIn(db)).toEqual(["a"]);
  expect(db.read((tx) => tx.get("PRAGMA journal_mode"))).toEqual({ journal_mode: "wal" });
});
