import { expect } from "bun:test";
import { goCtr, ourCtr } from "../support/binaries.ts";
import { engineKind, type PrivateEngine } from "../support/engine.ts";
import { type Outcome, type RunOptions, run } from "../support/process.ts";
import { type Comparison, differences } from "./compare.ts";
import { mask } from "./masks.ts";

/** Namespaces of equal length, so that column widths agree. */
export const ourNamespace = "diff-ours";
export const goNamespace = "diff-base";

/** One command, run by both tools, each in its own namespace of the same daemon. */
export interface Step extends Comparison, Pick<RunOptions, "stdin" | "env"> {
  readonly argv: readonly string[];
}

/**
 * The Go ctr here is 1.6's. Our engine has a transfer service, for which commands take the form of 2.x unless told not to;
 * e2e/transfer has that form.
 */
function asIn16(argv: readonly string[]): readonly string[] {
  const [group = "", word = "", ...rest] = argv;
  const transfers =
    ["images", "image", "i"].includes(group) && ["pull", "push", "import", "export", "tag"].includes(word);
  return engineKind() !== "containerd" && transfers ? [group, word, "--local", ...rest] : argv;
}

export class Pair {
  constructor(readonly engine: Pick<PrivateEngine, "address" | "ourAddress">) {}

  /** Runs a step with both tools and fails the test at the first difference. */
  async step(step: Step): Promise<{ readonly ours: Outcome; readonly theirs: Outcome }> {
    const theirs = await this.go(step.argv, goNamespace, step);
    const ours = await this.ours(step.argv, step);
    const found = differences(ours, theirs, step);
    if (found.length > 0) throw new Error(`ctr ${step.argv.join(" ")}\n${found.join("\n")}`);
    return { ours, theirs };
  }

  /** Runs every step, also after one that differs, and fails with all the differences. */
  async steps(steps: readonly (Step | readonly string[])[]): Promise<void> {
    const faults: string[] = [];
    for (const step of steps) {
      await this.step("argv" in step ? step : { argv: step }).catch((error: unknown) => faults.push(String(error)));
    }
    if (faults.length > 0) throw new Error(`${faults.length} steps differ\n${faults.join("\n\n")}`);
  }

  ours(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return run(
      [
        ourCtr,
        "-a",
        this.engine.ourAddress,
        "-n",
        ourNamespace,
        ...asIn16(argv).map((word) => word.replaceAll("$NS", ourNamespace)),
      ],
      options,
    );
  }

  go(argv: readonly string[], namespace: string, options: RunOptions = {}): Promise<Outcome> {
    return run(
      [goCtr, "-a", this.engine.address, "-n", namespace, ...argv.map((word) => word.replaceAll("$NS", namespace))],
      options,
    );
  }

  /** Prepares both namespaces with the Go tool, which must succeed; the garbage of it, such as an archive's index, is gone. */
  async prepare(...commands: readonly (readonly string[])[]): Promise<void> {
    for (const argv of commands) {
      for (const namespace of [goNamespace, ourNamespace]) {
        const outcome = await this.go(argv, namespace);
        if (outcome.code !== 0) throw new Error(`ctr -n ${namespace} ${argv.join(" ")}: ${outcome.stderr}`);
      }
    }
    await this.#collect();
  }

  /** What the daemon now holds in both namespaces, as the Go tool tells it, must be the same. */
  async sameState(...views: readonly (readonly string[])[]): Promise<void> {
    for (const view of views) {
      const [ours, theirs] = [await this.go(view, ourNamespace), await this.go(view, goNamespace)];
      expect({ view, code: ours.code, stdout: mask(ours.stdout) }).toEqual({
        view,
        code: theirs.code,
        stdout: mask(theirs.stdout),
      });
    }
  }

  /** Has the daemon collect garbage: whether it has done so by itself is a matter of time. */
  async #collect(): Promise<void> {
    await this.go(["leases", "create", "--id", "collect"], goNamespace);
    const outcome = await this.go(["leases", "rm", "--sync", "collect"], goNamespace);
    if (outcome.code !== 0) throw new Error(`cannot collect: ${outcome.stderr}`);
  }

  /** Digests, sizes and labels of all blobs; the Go tool prints labels in a map's random order, so they are sorted. */
  async sameContent(options: { readonly withoutLabel?: string } = {}): Promise<void> {
    await this.#collect();
    const view = async (namespace: string) =>
      (await this.go(["content", "ls"], namespace)).stdout
        .split("\n")
        .slice(1)
        .map((row) => {
          const [digest, size, ...rest] = row.split(/\t+/);
          return {
            digest,
            size,
            labels: mask(rest.at(-1) ?? "")
              .split(",")
              .filter((label) => label !== "-" && !label.startsWith(`${options.withoutLabel}=`))
              .sort(),
          };
        });
    expect(await view(ourNamespace)).toEqual(await view(goNamespace));
  }

  /** A view as JSON from both namespaces, for comparing after deliberate differences are taken out. */
  async json(view: readonly string[]): Promise<{ readonly ours: unknown; readonly theirs: unknown }> {
    const [ours, theirs] = [await this.go(view, ourNamespace), await this.go(view, goNamespace)];
    if (ours.code !== 0 || theirs.code !== 0) throw new Error(`${view.join(" ")}\n${ours.stderr}\n${theirs.stderr}`);
    return { ours: JSON.parse(mask(ours.stdout)), theirs: JSON.parse(mask(theirs.stdout)) };
  }
}

/** Views that show all that the commands of this issue can change. */
export const records = {
  images: ["images", "ls"],
  content: ["content", "ls", "-q"],
  snapshots: ["snapshots", "ls"],
  leases: ["leases", "ls"],
  containers: ["containers", "ls"],
  namespaces: ["namespaces", "ls"],
} as const;
