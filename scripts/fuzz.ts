import { fuzz } from "./fuzz/fuzz.ts";
import { targets } from "./fuzz/targets.ts";

/**
 * `npm run fuzz [-- SECONDS [NAME]]`: each parser of outside bytes for its share of the time (60 s in all unless said), from a
 * seed of the clock that is printed. Exits 1 with the inputs, in base64, where one breaks.
 */
async function main(): Promise<void> {
  const [seconds = "60", name] = process.argv.slice(2);
  const chosen = targets.filter((target) => name === undefined || target.name === name);
  if (chosen.length === 0)
    throw new Error(`no target ${name}: there are ${targets.map((each) => each.name).join(", ")}`);
  const seed = Date.now() >>> 0;
  process.stdout.write(`seed ${seed}\n`);
  for (const target of chosen) {
    const result = await fuzz(target, { seed, timeMs: (Number(seconds) * 1000) / chosen.length });
    const { executions, refused, outcomes, findings } = result;
    process.stdout.write(
      `${target.name.padEnd(18)} ${executions} executions, ${refused} refused, ${outcomes} outcomes, ${findings.length} findings\n`,
    );
    for (const { input, error } of findings) {
      process.exitCode = 1;
      process.stdout.write(
        `  ${error instanceof Error ? error.stack : String(error)}\n  ${Buffer.from(input).toString("base64")}\n`,
      );
    }
  }
}

await main();
