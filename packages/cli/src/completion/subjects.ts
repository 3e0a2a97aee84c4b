/** What an argument or a flag's value names; `file` is left to the shell. */
export type Subject =
  | "namespace"
  | "image"
  | "container"
  | "task"
  | "snapshot"
  | "lease"
  | "sandbox"
  | "digest"
  | "file"
  | "directory"
  | readonly string[];

/** The arguments of a command in their order; `rest` is what all further ones are. */
interface Subjects {
  readonly first?: readonly (Subject | undefined)[];
  readonly rest?: Subject;
}

/** What the arguments of each command name. A command that is not here takes none that could be looked up. */
const argumentsOf: Readonly<Record<string, Subjects>> = {
  "containers create": { first: ["image"] },
  "containers delete": { rest: "container" },
  "containers info": { first: ["container"] },
  "containers label": { first: ["container"] },
  "containers checkpoint": { first: ["container"] },
  "containers restore": { first: [undefined, "image"] },
  "content delete": { rest: "digest" },
  "content edit": { first: ["digest"] },
  "content get": { rest: "digest" },
  "content label": { first: ["digest"] },
  "content push-object": { first: ["image", "digest"] },
  "content verify": { rest: "digest" },
  "images export": { first: ["file"], rest: "image" },
  "images import": { first: ["file"] },
  "images inspect": { first: ["image"] },
  "images mount": { first: ["image", "directory"] },
  "images unmount": { first: ["directory"] },
  "images pull": { first: ["image"] },
  "images push": { first: ["image", "image"] },
  "images delete": { rest: "image" },
  "images tag": { first: ["image"] },
  "images label": { first: ["image"] },
  "images convert": { first: ["image"] },
  "images build-erofs-cache": { first: ["image", "directory"] },
  "images usage": { first: ["image"] },
  "leases delete": { rest: "lease" },
  "namespaces remove": { rest: "namespace" },
  "namespaces label": { first: ["namespace"] },
  run: { first: ["image"] },
  "sandboxes run": { first: ["file"] },
  "sandboxes remove": { rest: "sandbox" },
  "sandboxes info": { first: ["sandbox"] },
  "snapshots commit": { first: [undefined, "snapshot"] },
  "snapshots diff": { first: ["snapshot", "snapshot"] },
  "snapshots info": { first: ["snapshot"] },
  "snapshots mounts": { first: ["directory", "snapshot"] },
  "snapshots prepare": { first: [undefined, "snapshot"] },
  "snapshots delete": { rest: "snapshot" },
  "snapshots label": { first: ["snapshot"] },
  "snapshots unpack": { first: ["digest"] },
  "snapshots usage": { rest: "snapshot" },
  "snapshots view": { first: [undefined, "snapshot"] },
  "tasks attach": { first: ["task"] },
  "tasks checkpoint": { first: ["task"] },
  "tasks delete": { rest: "task" },
  "tasks exec": { first: ["task"] },
  "tasks kill": { first: ["task"] },
  "tasks metrics": { first: ["task"] },
  "tasks pause": { first: ["task"] },
  "tasks ps": { first: ["task"] },
  "tasks resume": { first: ["task"] },
  "tasks start": { first: ["container"] },
  install: { first: ["image"] },
  completion: { first: [["bash", "zsh", "fish"]] },
};

/** What the values of flags name, whichever command has them. */
const valuesOf: Readonly<Record<string, Subject>> = {
  namespace: "namespace",
  manifest: "digest",
  id: "task",
  format: ["table", "json"],
  erofs: ["raw", "zstd"],
  address: "file",
  listen: "file",
  "debug-socket": "file",
  "blockio-config-file": "file",
  config: "file",
  "dump-config": "file",
  "env-file": "file",
  "image-path": "directory",
  "pid-file": "file",
  "runc-binary": "file",
  "runtime-config-path": "file",
  "seccomp-profile": "file",
  spec: "file",
  tlscacert: "file",
  tlscert: "file",
  tlskey: "file",
  cwd: "directory",
  device: "file",
  "fifo-dir": "directory",
  "hosts-dir": "directory",
  path: "directory",
  "runc-root": "directory",
  "work-path": "directory",
};

/** What argument number `index`, counted from 0, of the command `path` names. */
export function subjectOfArgument(path: string, index: number): Subject | undefined {
  const subjects = argumentsOf[path];
  return index < (subjects?.first?.length ?? 0) ? subjects?.first?.[index] : subjects?.rest;
}

/** What the value of the flag `name` names. */
export function subjectOfFlag(name: string): Subject | undefined {
  return valuesOf[name];
}

/** The commands whose arguments are known, for the test that holds this table against that of the commands. */
export const knownCommands: readonly string[] = Object.keys(argumentsOf);
