import reference from "../../testdata/reference/cli.json";

/** A flag of the Go ctr 2.4. */
export type ReferenceFlag = (typeof reference.commands)[number]["flags"][number];

/** A command or a group of the Go ctr 2.4. */
export interface ReferenceCommand {
  /** Words without the program's name, joined by blanks; empty for the program itself. */
  readonly name: string;
  readonly aliases: readonly string[];
  readonly args: string;
  readonly group: boolean;
  readonly subcommands: readonly string[];
  readonly hidden: boolean;
  /** Since a version after 1.6. */
  readonly isNew: boolean;
  readonly flags: readonly ReferenceFlag[];
}

/** Every command there is in the Go ctr, in its order; the program itself first, `help` left out. */
export const referenceCommands: readonly ReferenceCommand[] = [
  {
    name: "",
    aliases: [],
    args: "",
    group: true,
    subcommands: reference.commands
      .filter(({ path }) => path.length === 1 && path[0] !== "help")
      .map(({ path }) => path[0] ?? ""),
    hidden: false,
    isNew: false,
    flags: reference.globalFlags,
  },
  ...reference.commands
    .filter(({ path }) => path[0] !== "help")
    .map(({ path, aliases, args, group, subcommands, hidden, since, flags }) => ({
      name: path.join(" "),
      aliases,
      args,
      group,
      subcommands,
      hidden,
      isNew: since !== "1.6",
      flags,
    })),
];

/** Commands of ours that the Go ctr does not have. */
export const ownCommands: readonly string[] = ["serve", "completion", "content verify"];

/** Flags of ours that a command of the Go ctr does not have: `command words --flag`. */
export const ownFlags: readonly string[] = ["containers restore --trust"];
