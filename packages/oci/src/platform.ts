import { ContainerdError } from "@ctr/api";

/** What an image runs on, in GOOS and GOARCH words. Image-spec, image-index.md "platform". */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly osVersion?: string;
  readonly osFeatures?: readonly string[];
}

const knownOses: ReadonlySet<string> = new Set(
  "aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos".split(
    " ",
  ),
);

const knownArchitectures: ReadonlySet<string> = new Set(
  `386 amd64 amd64p32 arm armbe arm64 arm64be ppc64 ppc64le loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le
   ppc riscv riscv64 s390 s390x sparc sparc64 wasm`.split(/\s+/),
);

/** Reads `os`, `arch`, `os/arch`, `os(version+feature)/arch/variant`. Throws `invalid_argument` with Go's words. */
export function parsePlatform(text: string): Platform {
  if (text.includes("*")) throw badPlatform(`${JSON.stringify(text)}: wildcards not yet supported`);
  const parts = text.split("/");
  const first = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.-]*)((?:\+[A-Za-z0-9_.-]+)*)\))?$/.exec(parts[0] ?? "");
  if (first === null)
    throw badComponent(parts[0] ?? "", text, String.raw`^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.-]*)\))?$`);
  for (const part of parts.slice(1)) {
    if (!/^[A-Za-z0-9_.-]+$/.test(part)) throw badComponent(part, text, "^[A-Za-z0-9_.-]+$");
  }
  if (parts.length > 3) throw badPlatform(`${JSON.stringify(text)}: cannot parse platform specifier`);
  const [, word = "", version = "", features = ""] = first;
  const extra = {
    ...(version === "" ? {} : { osVersion: version }),
    ...(features === "" ? {} : { osFeatures: features.slice(1).split("+") }),
  };
  if (parts.length === 1) return { ...parseOneWord(word, text), ...extra };
  return { ...fromWords(word, parts[1] ?? "", parts[2]), ...extra };
}

/** One word is an operating system if it is a known one, else an architecture. */
function parseOneWord(word: string, text: string): Platform {
  const os = normalizeOs(word);
  const host = hostPlatform();
  if (knownOses.has(os)) {
    const variant = host.architecture === "arm" && host.variant !== "v7" ? host.variant : undefined;
    return { os, architecture: host.architecture, ...(variant === undefined ? {} : { variant }) };
  }
  const named = fromWords(host.os, word, undefined);
  if (knownArchitectures.has(named.architecture)) return named;
  throw badPlatform(`${JSON.stringify(text)}: unknown operating system or architecture`);
}

/** Variants a reader takes for granted stay unwritten (arm/v7), except where one was written (arm64/v8). */
function fromWords(os: string, architecture: string, variant: string | undefined): Platform {
  const [arch, normal] = normalizeArch(architecture, variant ?? "");
  let shown = normal;
  if (variant === undefined && arch === "arm" && normal === "v7") shown = "";
  if (variant !== undefined && arch === "arm64" && normal === "") shown = "v8";
  return { os: normalizeOs(os), architecture: arch, ...(shown === "" ? {} : { variant: shown }) };
}

/** `os/arch[/variant]`; `unknown` where there is no OS. */
export function formatPlatform(platform: Platform): string {
  if (platform.os === "") return "unknown";
  const { os, architecture, variant = "" } = platform;
  return `${os}${architecture === "" ? "" : `/${architecture}`}${variant === "" ? "" : `/${variant}`}`;
}

/** The same platform in its shortest usual words: aliases resolved, implied variants dropped or added. */
export function normalizePlatform(platform: Platform): Platform {
  const [architecture, variant] = normalizeArch(platform.architecture, platform.variant ?? "");
  const { variant: _old, ...rest } = platform;
  return { ...rest, os: normalizeOs(platform.os), architecture, ...(variant === "" ? {} : { variant }) };
}

function normalizeOs(os: string): string {
  if (os === "") return hostPlatform().os;
  const lower = os.toLowerCase();
  return lower === "macos" ? "darwin" : lower;
}

function normalizeArch(architecture: string, variantText: string): [string, string] {
  const arch = architecture.toLowerCase();
  const variant = variantText.toLowerCase();
  switch (arch) {
    case "i386":
      return ["386", ""];
    case "x86_64":
    case "x86-64":
    case "amd64":
      return ["amd64", variant === "v1" ? "" : variant];
    case "aarch64":
    case "arm64":
      return ["arm64", normalizeArm64Variant(variant)];
    case "armhf":
      return ["arm", "v7"];
    case "armel":
      return ["arm", "v6"];
    case "arm":
      if (variant === "") return ["arm", "v7"];
      return ["arm", /^[5678]$/.test(variant) ? `v${variant}` : variant];
    default:
      return [arch, variant];
  }
}

function normalizeArm64Variant(variant: string): string {
  if (["8", "v8", "v8.0"].includes(variant)) return "";
  return ["9", "9.0", "v9.0"].includes(variant) ? "v9" : variant;
}

const goArchitectures: Readonly<Record<string, string>> = {
  x64: "amd64",
  ia32: "386",
  ppc64: "ppc64le",
  mipsel: "mipsle",
};

let host: Platform | undefined;

/** The machine this runs on; read once. */
export function hostPlatform(): Platform {
  host ??= readHostPlatform();
  return host;
}

function readHostPlatform(): Platform {
  const architecture = goArchitectures[process.arch] ?? process.arch;
  const os = process.platform === "win32" ? "windows" : process.platform;
  if (architecture !== "arm" && architecture !== "arm64") return { os, architecture };
  const text = os === "linux" ? process.getBuiltinModule("node:fs").readFileSync("/proc/cpuinfo", "latin1") : "";
  const variant = os === "linux" ? armVariant(text, architecture) : architecture === "arm64" ? "v8" : "v7";
  return normalizeHost({ os, architecture, ...(variant === "" ? {} : { variant }) });
}

/** arm64 hosts print without `v8`, as they would on any other platform of theirs. */
function normalizeHost(platform: Platform): Platform {
  return platform.architecture === "arm64" ? normalizePlatform(platform) : platform;
}

/** The variant that /proc/cpuinfo tells of; "" when it tells nothing. */
export function armVariant(cpuinfo: string, architecture: string): string {
  const field = (name: string) => new RegExp(`^${name}\\s*:\\s*(.*)$`, "im").exec(cpuinfo)?.[1]?.trim().toLowerCase();
  const number = field("cpu architecture");
  if (number === undefined) return architecture === "arm64" ? "v8" : "";
  // A Raspberry Pi 1 says 7 and means 6.
  if (architecture === "arm" && number === "7" && field("model name")?.startsWith("armv6-compatible")) return "v6";
  if (number === "8" || number === "aarch64") return "v8";
  if (/^(7m?|\?\(1[2-7]\))$/.test(number)) return "v7";
  const digit = /^([3-6])(t|te|tej)?$/.exec(number)?.[1];
  return digit === undefined ? "unknown" : `v${digit}`;
}

function badComponent(part: string, text: string, pattern: string): ContainerdError {
  return badPlatform(
    `${JSON.stringify(part)} is an invalid component of ${JSON.stringify(text)}: ` +
      `platform specifier component must match ${JSON.stringify(pattern)}`,
  );
}

function badPlatform(what: string): ContainerdError {
  return new ContainerdError({
    code: "invalid_argument",
    what,
    why: "invalid argument",
    fix: "write a platform as linux/amd64 or linux/arm64/v8",
  });
}
