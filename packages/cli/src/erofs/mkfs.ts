import type { Cancel } from "@ctr/oci";
import { fail } from "../errors.ts";

/** How file systems are to be made. */
export interface MkfsSettings {
  /** Handed to `-z`; "" leaves data as it is. */
  readonly compressors: string;
  /** Further arguments. */
  readonly options: readonly string[];
}

/** What a file system is made of: a layer's tar, or the directory it was unpacked to, whiteouts as overlayfs has them. */
export type MkfsSource =
  | { readonly kind: "tar"; readonly tar: AsyncIterable<Uint8Array> }
  | { readonly kind: "tree"; readonly dir: string };

/** Of one file system. */
interface MakeSettings extends MkfsSettings, Cancel {
  readonly uuid: string;
}

/** `mkfs.erofs` of this machine. */
export interface Mkfs {
  /** Since erofs-utils 1.7 it reads tars, and knows their whiteouts. */
  readonly takesTar: boolean;
  /** Writes `file`. */
  make(source: MkfsSource, file: string, settings: MakeSettings): Promise<void>;
}

/** Bytes per physical cluster where data is compressed, as containerd's converter asks for. */
const CLUSTER_BYTES = "65536";

/** Finds the program, also where an ordinary user's PATH does not lead, and asks what it can. */
export async function openMkfs(env: Readonly<Record<string, string | undefined>>): Promise<Mkfs> {
  const program = Bun.which("mkfs.erofs", { PATH: `${env["PATH"] ?? ""}:/usr/sbin:/sbin` });
  if (program === null) {
    throw fail(
      'exec: "mkfs.erofs": executable file not found in $PATH',
      "EROFS images are made by mkfs.erofs of the package erofs-utils (Debian: apt install erofs-utils)",
    );
  }
  const help = Bun.spawn([program, "--help"], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([help.stdout.text(), help.stderr.text()]);
  const takesTar = `${stdout}${stderr}`.includes("--tar=");
  return { takesTar, make: (source, file, settings) => make(program, source, file, settings) };
}

async function make(
  program: string,
  source: MkfsSource,
  file: string,
  { compressors, options, uuid, signal }: MakeSettings,
): Promise<void> {
  const reading = source.kind === "tar" ? ["--tar=f", "--aufs"] : [];
  const compressing = compressors === "" ? [] : [`-z${compressors}`, "-C", CLUSTER_BYTES];
  const from = source.kind === "tar" ? [] : [source.dir];
  const argv = [...reading, "--quiet", "-Enoinline_data", ...compressing, ...options, "-U", uuid, file, ...from];
  const child = Bun.spawn([program, ...argv], { signal, stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  const said = Promise.all([child.stdout.text(), child.stderr.text()]);
  const fed = feed(child.stdin, source).catch((error: unknown) => error);
  const code = await child.exited;
  const [out, err] = await said;
  signal.throwIfAborted();
  // A program that gave up stops reading: what it says is the reason.
  if (code !== 0)
    throw fail(`failed to convert to EROFS: erofs apply failed: ${`${out}${err}`.trim()}: exit status ${code}`);
  const fault = await fed;
  if (fault !== undefined) throw fault;
}

async function feed(stdin: Bun.FileSink, source: MkfsSource): Promise<undefined> {
  try {
    if (source.kind === "tar") {
      for await (const chunk of source.tar) {
        stdin.write(chunk);
        await stdin.flush();
      }
    }
  } finally {
    await stdin.end();
  }
}

/** UUID of version 5 in the namespace of URLs, RFC 9562 section 5.5: the same layer makes the same file system. */
export function urlUuid(url: string): string {
  const hasher = new Bun.CryptoHasher("sha1");
  hasher.update(Buffer.from("6ba7b8119dad11d180b400c04fd430c8", "hex")).update(url);
  const bytes = hasher.digest();
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x50, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}
