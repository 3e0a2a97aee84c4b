import type { Sample, SoakReport } from "./soak.ts";

/** How much more memory the last quarter may take than the second one, which comes after everything was used once. */
const GROWTH = { factor: 1.25, bytes: 48 * 2 ** 20 };

/** What is wrong after a soak, one sentence each. */
export function verdictOn({ ended, samples, before, after, left }: SoakReport): readonly string[] {
  const quarter = Math.floor(samples.length / 4);
  const early = medianRss(samples.slice(quarter, 2 * quarter));
  const late = medianRss(samples.slice(3 * quarter));
  const grew = late > Math.max(early * GROWTH.factor, early + GROWTH.bytes);
  return [
    ...(ended.code === 0 ? [] : [`the clients ended with ${ended.code}: ${ended.stderr.trim()}`]),
    ...(after.descriptors <= before.descriptors
      ? []
      : [`${after.descriptors} descriptors are open, ${before.descriptors} were before`]),
    ...(grew ? [`memory grew from ${early} to ${late} bytes`] : []),
    ...left.map((what) => `left over: ${what}`),
  ];
}

function medianRss(samples: readonly Sample[]): number {
  const sorted = samples.map(({ rssBytes }) => rssBytes).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
