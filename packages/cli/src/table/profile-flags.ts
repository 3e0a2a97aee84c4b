import { duration, uint } from "../flag.ts";

/** How a profile is written. */
export const debugFlag = (level: bigint) => ({
  debug: uint("pprof's debug level: 0 for its binary form, more for text", { default: level }),
});

/** For how long is measured. */
export const timedFlags = (seconds: bigint) => ({
  seconds: duration("time to measure for", { alias: "s", default: seconds * 1_000_000_000n }),
  ...debugFlag(0n),
});

/** The profiles of a Go program, as the commands are called. */
export const profiles = {
  block: "Where goroutines wait for each other",
  goroutines: "What every goroutine is doing",
  heap: "What memory is used for",
  profile: "Where CPU time goes",
  threadcreate: "What made the threads",
  trace: "An execution trace",
} as const;
