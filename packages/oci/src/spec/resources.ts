import { refuse, type SpecOption, withProcess, withResources } from "./option.ts";
import type { SpecCpu } from "./types.ts";

/** Lays `cpu` over the spec's CPU limits. */
export function withCpu(cpu: SpecCpu): SpecOption {
  return (spec) => withResources(spec, { cpu: { ...spec.linux?.resources?.cpu, ...cpu } });
}

/** `--memory-limit`, in bytes. */
export function withMemoryLimit(limit: bigint): SpecOption {
  return (spec) => withResources(spec, { memory: { ...spec.linux?.resources?.memory, limit } });
}

/** `--rlimit-nofile soft[:hard]`; without a hard limit both are the same. */
export function withOpenFileLimit(text: string): SpecOption {
  const [soft, hard = soft, ...surplus] = text
    .split(":")
    .map((part) => (/^\d+$/.test(part) ? Number(part) : undefined));
  if (soft === undefined || hard === undefined || surplus.length > 0) {
    throw refuse(
      `failed to parse rlimit-nofile "${text}": it is no number or pair of numbers`,
      "write --rlimit-nofile 1024:4096",
    );
  }
  if (soft > hard) throw refuse(`failed to parse rlimit-nofile "${text}": the soft limit is above the hard one`);
  return (spec) => {
    const others = (spec.process?.rlimits ?? []).filter(({ type }) => type !== "RLIMIT_NOFILE");
    return withProcess(spec, { rlimits: [...others, { type: "RLIMIT_NOFILE", hard, soft }] });
  };
}
