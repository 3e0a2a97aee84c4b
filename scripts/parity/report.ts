import type { Claim } from "../../e2e/parity/claims.ts";
import { type ReferenceCommand, referenceCommands } from "../../e2e/parity/reference.ts";
import type { Backend, Run } from "./records.ts";

/** What covers a command or a flag. */
interface Row {
  /** `images pull`, `images pull --local`, `--namespace`. */
  readonly name: string;
  readonly isFlag: boolean;
  readonly backends: readonly Backend[];
  /** Test files, those with most runs first. */
  readonly files: readonly string[];
  /** The tests that assert what a flag does. */
  readonly claims: readonly Claim[];
}

const backendOrder: readonly Backend[] = ["containerd 1.6", "embedded", "serve", "stand-in for 2.x", "none"];
const FILES_SHOWN = 2;

/** The report as Markdown, from what ran and what is claimed; `why` explains rows that cannot be filled here. */
export function reportOf(
  runs: readonly Run[],
  claims: readonly Claim[],
  why: Readonly<Record<string, string>>,
): string {
  const rows = referenceCommands.flatMap((command) => rowsOf(command, runs, claims));
  const empty = rows.filter((row) => !isCovered(row));
  const flags = rows.filter(({ isFlag }) => isFlag);
  const commands = rows.filter(({ isFlag }) => !isFlag);
  const count = (some: readonly Row[]) => `${some.filter(isCovered).length} of ${some.length}`;
  return `${[
    "<!-- written by `npm run parity` from what the end-to-end tests ran -->",
    "# What the tests show of each command and flag",
    "A command is covered when a test ran it; a flag when a test that asserts its effect (`e2e/parity/claims.ts`) ran with it.",
    `Covered: ${count(commands)} commands, ${count(flags)} flags.`,
    "## Not covered",
    empty.length === 0 ? "Nothing." : empty.map((row) => emptyLine(row, why[row.name])).join("\n"),
    "## All",
    [
      "| command or flag | ran on | test files | its effect is asserted by |",
      "| --- | --- | --- | --- |",
      ...rows.map(line),
    ].join("\n"),
  ].join("\n\n")}\n`;
}

function rowsOf(command: ReferenceCommand, runs: readonly Run[], claims: readonly Claim[]): readonly Row[] {
  const own = command.group
    ? []
    : [
        rowOf(
          command.name,
          false,
          runs.filter((run) => run.command === command.name),
          [],
        ),
      ];
  const flags = command.flags.map(({ name }) => {
    const row = `${command.name} --${name}`.trim();
    const ran = runs.filter((run) => run.flags.has(row));
    return rowOf(
      row,
      true,
      ran,
      claims.filter((claim) => claim.flags.includes(row) && ran.some((run) => isOf(run, claim))),
    );
  });
  return [...own, ...flags];
}

/** Whether a run belongs to the test of a claim. */
export function isOf(run: Run, { file, test }: Claim): boolean {
  return run.file === file && run.test === test;
}

function rowOf(name: string, isFlag: boolean, runs: readonly Run[], claims: readonly Claim[]): Row {
  const backends = new Set(runs.map(({ backend }) => backend));
  const files = [...Map.groupBy(runs, ({ file }) => file)].sort(
    ([a, runsOfA], [b, runsOfB]) => runsOfB.length - runsOfA.length || (a < b ? -1 : 1),
  );
  return {
    name,
    isFlag,
    backends: backendOrder.filter((backend) => backends.has(backend)),
    files: files.map(([file]) => file),
    claims,
  };
}

function isCovered({ isFlag, files, claims }: Row): boolean {
  return isFlag ? claims.length > 0 : files.length > 0;
}

function emptyLine({ name, files }: Row, why: string | undefined): string {
  const state = files.length === 0 ? "never ran" : "ran, but no test is known to assert its effect";
  return `- \`${name}\`: ${why ?? state}`;
}

function line({ name, backends, files, claims }: Row): string {
  const shown = files.slice(0, FILES_SHOWN).join(", ");
  const more = files.length > FILES_SHOWN ? ` and ${files.length - FILES_SHOWN} more` : "";
  const asserting = claims.map(({ file, test }) => `${file}: ${test}`).join("; ");
  return `| \`ctr ${name}\` | ${backends.join(", ")} | ${shown}${more} | ${asserting.replaceAll("|", "\\|")} |`;
}
