import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { type CrashImage, type CrashStore, openCrashImage, openCrashStore } from "./crash-store.ts";

/**
 * Several users do whatever comes to mind on one store, each command a process of its own. Each user knows what should be
 * there of his: names are his alone, the bytes below them are everybody's.
 */
const rounds = process.env["CTR_TEST_LONG"] === "1" ? 40 : 1;
const USERS = 3;
const STEPS = { minLength: 10, maxLength: 16 };

let image: CrashImage;
/** The image of each user, by number. */
const pulled: string[] = [];
beforeAll(async () => {
  image = await openCrashImage();
  for (let user = 0; user < USERS; user++) pulled.push(await image.pushAs(`user${user}/image`));
});
afterAll(() => image[Symbol.asyncDispose]());

type Step =
  | { readonly kind: "pull" | "collect" }
  | { readonly kind: "tag" | "untag" | "untag-at-once"; readonly tag: number }
  | { readonly kind: "run" | "kill" | "forget-task" | "forget"; readonly id: number }
  | { readonly kind: "hold" | "let-go"; readonly lease: number };

const few = fc.integer({ min: 0, max: 2 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("pull" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("collect" as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom("tag", "untag", "untag-at-once"), tag: few }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constantFrom("run", "kill", "forget-task", "forget"), id: few }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("hold", "let-go"), lease: few }) },
);

/** What one user has, and what his commands are to do. */
class User {
  readonly #store: CrashStore;
  readonly #name: string;
  readonly #image: string;
  readonly #tags = new Set<string>();
  readonly #containers = new Map<string, "running" | "killed" | "without task">();
  readonly #leases = new Set<string>();

  constructor(store: CrashStore, number: number) {
    this.#store = store;
    this.#name = `user${number}`;
    this.#image = pulled[number] ?? "";
  }

  async do(step: Step): Promise<void> {
    switch (step.kind) {
      case "pull":
        await this.#expect(true, ["images", "pull", "--plain-http", this.#image]);
        this.#tags.add(this.#image);
        return;
      case "collect":
        await this.#expect(true, ["leases", "create", "--id", `${this.#name}-collect`]);
        return this.#expect(true, ["leases", "rm", "--sync", `${this.#name}-collect`]);
      case "tag":
        return this.#tag(this.#image.replace("image:latest", `tag:${step.tag}`));
      case "untag":
      case "untag-at-once":
        return this.#untag(this.#image.replace("image:latest", `tag:${step.tag}`), step.kind === "untag-at-once");
      case "hold":
      case "let-go":
        return this.#lease(`${this.#name}-lease${step.lease}`, step.kind === "hold");
      default:
        return this.#container(`${this.#name}-c${step.id}`, step.kind);
    }
  }

  async #tag(tag: string): Promise<void> {
    const works = this.#tags.has(this.#image);
    await this.#expect(works, ["images", "tag", "--force", this.#image, tag]);
    if (works) this.#tags.add(tag);
  }

  async #untag(tag: string, sync: boolean): Promise<void> {
    // Removing what is not there is said on stderr, and is no failure: as the Go tool has it.
    await this.#expect(true, ["images", "rm", ...(sync ? ["--sync"] : []), tag]);
    this.#tags.delete(tag);
  }

  async #lease(id: string, hold: boolean): Promise<void> {
    await this.#expect(hold !== this.#leases.has(id), hold ? ["leases", "create", "--id", id] : ["leases", "rm", id]);
    if (hold) this.#leases.add(id);
    else this.#leases.delete(id);
  }

  async letGo(): Promise<void> {
    for (const id of this.#leases) await this.#lease(id, false);
  }

  async #container(id: string, kind: "run" | "kill" | "forget-task" | "forget"): Promise<void> {
    const state = this.#containers.get(id);
    switch (kind) {
      case "run": {
        const works = state === undefined && this.#tags.has(this.#image);
        await this.#expect(works, ["run", "-d", this.#image, id, "sleep", "1000"]);
        if (works) this.#containers.set(id, "running");
        return;
      }
      case "kill":
        // A process that was killed is gone at some time after: killing it once more may work, or not.
        if (state === "killed") return;
        await this.#expect(state === "running", ["tasks", "kill", "-s", "SIGKILL", id]);
        if (state === "running") this.#containers.set(id, "killed");
        return;
      case "forget-task":
        await this.#expect(state === "running" || state === "killed", ["tasks", "rm", "-f", id]);
        if (state !== undefined) this.#containers.set(id, "without task");
        return;
      case "forget":
        await this.#expect(state === "without task", ["containers", "rm", id]);
        if (state === "without task") this.#containers.delete(id);
    }
  }

  /** Runs a command that has to work, or to fail in one line. */
  async #expect(works: boolean, words: readonly string[]): Promise<void> {
    const { code, stderr } = await this.#store.ctr(words);
    expect({ words, works: code === 0, stderr: works && code !== 0 ? stderr : "" }).toEqual({
      words,
      works,
      stderr: "",
    });
  }

  /** All lists show of his what he knows of, and nothing else. */
  async check(): Promise<void> {
    const tasks = [...this.#containers].filter(([, state]) => state !== "without task").map(([id]) => id);
    expect(await this.#listed("images", "ls", "-q")).toEqual([...this.#tags].sort());
    expect(await this.#listed("containers", "ls", "-q")).toEqual([...this.#containers.keys()].sort());
    expect(await this.#listed("tasks", "ls", "-q")).toEqual(tasks.sort());
    expect(await this.#listed("leases", "ls", "-q")).toEqual([...this.#leases].sort());
  }

  async #listed(...words: readonly string[]): Promise<readonly string[]> {
    const { code, stdout, stderr } = await this.#store.ctr(words);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return stdout
      .split("\n")
      .filter((line) => line.includes(this.#name))
      .sort();
  }

  /** Every byte that his images promise is there. */
  async checkImages(): Promise<void> {
    for (const tag of this.#tags) {
      const { stdout } = await this.#store.ctr(["images", "check", `name==${tag}`]);
      expect(stdout).toContain(" complete ");
    }
  }
}

test("C3, C6: whatever several users do at once, each finds his own, and nothing is left when all is removed", async () => {
  const stories = fc.tuple(...Array.from({ length: USERS }, () => fc.array(step, STEPS)));
  await fc.assert(
    fc.asyncProperty(stories, async (all) => {
      await using store = await openCrashStore();
      const users = all.map((_, number) => new User(store, number));
      await Promise.all(
        users.map(async (user, number) => {
          for (const each of all[number] ?? []) {
            await user.do(each);
            await user.check();
          }
        }),
      );
      for (const user of users) {
        await user.checkImages();
        await user.letGo();
      }
      expect(store.problems()).toEqual([]);
      expect(await store.leftovers()).toEqual([]);
    }),
    // A story takes half a minute: what failed is told as it was, not made shorter.
    { numRuns: rounds, endOnFailure: true },
  );
}, 3_600_000);
