import { type Sample, soak } from "../e2e/soak/soak.ts";
import { verdictOn } from "../e2e/soak/verdict.ts";

/** `npm run soak [-- SECONDS [CLIENTS]]`: an hour with 64 clients unless said. Exits 1 with every fault that it found. */
async function main(): Promise<void> {
  const [seconds = "3600", clients = "64"] = process.argv.slice(2);
  let said = 0;
  const onSample = (sample: Sample) => {
    if (sample.atSeconds < said) return;
    said = sample.atSeconds + 60;
    process.stdout.write(`${describe(sample)}\n`);
  };
  const report = await soak({ clients: Number(clients), seconds: Number(seconds), onSample });
  for (const [name, count] of Object.entries(report.done)) process.stdout.write(`${name}: ${count} times\n`);
  process.stdout.write(`before: ${describe(report.before)}\nafter: ${describe(report.after)}\n`);
  const faults = verdictOn(report);
  for (const fault of faults) process.stdout.write(`fault: ${fault}\n`);
  process.stdout.write(faults.length === 0 ? "no fault\n" : `${faults.length} faults\n`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

function describe({ atSeconds, rssBytes, descriptors, threads }: Sample): string {
  return `${atSeconds} s: ${Math.round(rssBytes / 2 ** 20)} MB resident, ${descriptors} descriptors, ${threads} threads`;
}

await main();
