import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { claims } from "../e2e/parity/claims.ts";
import { whyNot } from "../e2e/parity/why-not.ts";
import { type Run, readRuns } from "./parity/records.ts";
import { isOf, reportOf } from "./parity/report.ts";

/**
 * Writes `docs/cli/parity.md` from the records of a test run: `CTR_E2E_RECORD=directory npm test`, then the same variable
 * and `npm run parity`. A claim that no run bears out is a failure.
 */
const root = resolve(import.meta.dir, "..");

async function main(): Promise<void> {
  const folder = process.env["CTR_E2E_RECORD"];
  if (!folder) throw new Error("CTR_E2E_RECORD names no directory of records");
  const runs = await readRuns(folder);
  const faults = faultsOf(runs);
  if (faults.length > 0) {
    process.stderr.write(`${faults.join("\n")}\n`);
    process.exitCode = 1;
  }
  await writeFile(resolve(root, "docs/cli/parity.md"), reportOf(runs, claims, whyNot));
}

/** Claims of tests that did not run with the flag. */
function faultsOf(runs: readonly Run[]): readonly string[] {
  return claims.flatMap((claim) => {
    const given = new Set(runs.filter((run) => isOf(run, claim)).flatMap(({ flags }) => [...flags]));
    const idle = claim.flags.filter((flag) => !given.has(flag));
    return idle.map((flag) => `${claim.file}: ${JSON.stringify(claim.test)} did not run with ${flag}`);
  });
}

await main();
