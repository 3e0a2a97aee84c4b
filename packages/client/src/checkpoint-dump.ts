import { ContainerdError } from "@ctr/api";
import { type Cancel, type ContentProvider, type Descriptor, readTar, type TarEntry } from "@ctr/oci";

/**
 * Refuses a dump that has anything but regular files with plain names: CRIU writes nothing else, and whoever unpacks it
 * would follow a link (R19). The daemon unpacks the bytes of this digest, so they are those that were looked at.
 */
export async function checkDump(content: ContentProvider, dump: Descriptor, options: Cancel): Promise<void> {
  await using blob = await content.readerAt(dump.digest, options);
  for await (const entry of readTar(blob.stream({ offset: 0n, length: blob.size }, options))) {
    if (entry.kind !== "file") throw badMember(dump, entry, `it is a ${kindWords[entry.kind]}`);
    if (!/^[^/\p{Cc}]+$/u.test(entry.name) || entry.name === ".." || entry.name.startsWith(".wh.")) {
      throw badMember(dump, entry, "its name is no plain file name");
    }
  }
}

const kindWords: Readonly<Record<Exclude<TarEntry["kind"], "file">, string>> = {
  directory: "directory",
  symlink: "symbolic link",
  hardlink: "hard link",
  other: "device, FIFO or something unknown",
};

function badMember({ digest }: Descriptor, { name }: TarEntry, why: string): ContainerdError {
  return new ContainerdError({
    code: "failed_precondition",
    what: "cannot restore dump",
    where: { digest, member: name.replace(/\p{Cc}/gu, "?") },
    why: `${why}, and dumps have regular files alone`,
  });
}
