/** One thing that must hold whatever an image, a registry, a crash or a neighbour does; its tests begin their titles with `id: `. */
export interface Requirement {
  readonly id: string;
  readonly holds: string;
  /** What does not exist here yet, without which there is nothing to hold; until then its tests show that it is refused. */
  readonly binds?: string;
}

/** In the order of the threat model. */
export const requirements: readonly Requirement[] = [
  {
    id: "R1",
    holds: "credentials go to the origin they are for, and to no other that a redirect, a URL or a realm names",
  },
  { id: "R2", holds: "sockets are files that their owner alone opens; none is abstract" },
  { id: "R3", holds: "containers created at the same time share nothing of their environments" },
  { id: "R4", holds: "unpacking changes mode, owner, times and attributes by descriptor, never through a link" },
  { id: "R5", holds: "directories of store and state have their modes whatever the umask, and get them back" },
  { id: "R6", holds: "a document is manifest or index, not both, and what its descriptor says" },
  { id: "R7", holds: "files of the host are not relabelled, and who asks for it is refused" },
  { id: "R8", holds: "ten thousand resizes and a thousand clients that vanish leave no descriptor, timer or memory" },
  { id: "R9", holds: "paths that an image declares are resolved inside its own root" },
  { id: "R10", holds: "a container's inheritable and ambient capabilities are empty" },
  { id: "R11", holds: "output that is kept in memory has a bound" },
  { id: "R12", holds: "documents, headers, names and entries have limits, so that no image fills memory" },
  { id: "R13", holds: "groups inside are those of the image's files, the primary one among them" },
  { id: "R14", holds: "the kernel's files that containerd hides are hidden" },
  { id: "R15", holds: "user and group ids are in range or refused; none wraps round to root" },
  { id: "R16", holds: "who swaps directories for links while a layer is unpacked changes nothing outside" },
  { id: "R17", holds: "a container's processes are in the cgroup that was asked for" },
  { id: "R18", holds: "labels that engines act on do not come from an image" },
  { id: "R19", holds: "a checkpoint restores regular files and an allow-list, and makes no tags" },
  { id: "R20", holds: "a process gets its own descriptors and none of ours" },
  { id: "R21", holds: "nothing is mounted by path inside a root filesystem that runs" },
  { id: "R22", holds: "copying into a container follows no link out of it", binds: "copying is built" },
  { id: "R23", holds: "a credential helper that fails is an error, not a reason to go without" },
  { id: "R24", holds: "a digest is of the one type that checked it, wherever it came from" },
  { id: "R25", holds: "no path is joined to a root filesystem's; files in it are read bounded and without links" },
  { id: "R26", holds: "a working directory is made inside the container only" },
  { id: "R27", holds: "an entry for the root of a layer changes its attributes at most" },
  { id: "R28", holds: "what is cached is found by its whole chain of digests" },
  { id: "R29", holds: "an export has clean relative names only" },
  { id: "R30", holds: "file names that annotations give are not written" },
  { id: "R31", holds: "the current directory's configuration of a JavaScript runtime is not looked at" },
  {
    id: "R32",
    holds:
      "untrusted trees are walked by one module, with openat2 or, where that is refused, by the same rules without",
  },
  { id: "C1", holds: "a blob's row is written after its bytes, its name and its directory are on disk" },
  { id: "C2", holds: "a snapshot is committed after what it holds is on disk" },
  {
    id: "C3",
    holds: "a kill at any moment leaves no dangling row, nothing that collection does not take, and a repeat succeeds",
  },
  { id: "C4", holds: "an I/O error is told and the repeat succeeds; lost power loses nothing that was committed" },
  { id: "C5", holds: "each write makes sure that the root is still the directory that was opened" },
  { id: "C6", holds: "collection takes nothing that somebody holds, or is just fetching" },
  { id: "C7", holds: "a damaged database is told of, and rebuilt from what can be read and what is on disk" },
  { id: "C8", holds: "damaged and missing blobs are found, and fetched again" },
  { id: "S1", holds: "tasks outlive the command that made them, wherever it was killed" },
  { id: "S2", holds: "an exit while nobody looks is told once, and its code kept" },
  { id: "S3", holds: "a shim that is only stopped is not taken for dead, and a dead one is buried" },
  { id: "S4", holds: "a thousand runs leave no mount, bundle, shim or row" },
  { id: "S5", holds: "a root is one engine's: another kind's is refused, another of ours shares it soundly" },
  { id: "U1", holds: "databases of the last three releases open, as far as there were any" },
  { id: "U2", holds: "the program is replaced while containers run" },
];
