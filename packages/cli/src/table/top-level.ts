import { declareCommand, type Entry, entry } from "../command.ts";
import { bool, string } from "../flag.ts";
import { words } from "./words.ts";

export const version = declareCommand(words.version.name, words.version.summary);
export const info = declareCommand(words.info.name, words.info.summary);
export const events = declareCommand(words.events.name, words.events.summary, { aliases: words.events.aliases });
export const serve = declareCommand(words.serve.name, words.serve.summary, {
  description: "the store is the one --address embedded:///some/root names; containers go on when the server ends",
  flags: () => ({
    listen: string("socket to listen on", { alias: "l", default: "/run/ctr/ctr.sock" }),
  }),
});
export const install = declareCommand(words.install.name, words.install.summary, {
  usage: "<ref>",
  description:
    "writes the files of the image's bin directory below /opt/containerd, or wherever the daemon's opt plugin says",
  flags: () => ({
    libs: bool("the files of its lib directory as well", { alias: "l" }),
    replace: bool("replace files that exist", { alias: "r" }),
    path: string("directory to write to instead"),
  }),
});

/** Each with its code. */
export const versionEntry: Entry = entry(version, async () => (await import("../commands/version.ts")).versionCommand);
export const infoEntry: Entry = entry(info, async () => (await import("../commands/info.ts")).infoCommand);
export const eventsEntry: Entry = entry(events, async () => (await import("../commands/events.ts")).eventsCommand);
export const serveEntry: Entry = entry(serve, async () => (await import("../commands/serve.ts")).serveCommand);
export const installEntry: Entry = entry(install, async () => (await import("../commands/install.ts")).installCommand);
