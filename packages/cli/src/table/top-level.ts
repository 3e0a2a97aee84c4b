import { declareCommand, type Entry, entry } from "../command.ts";
import { string } from "../flag.ts";
import { words } from "./words.ts";

export const version = declareCommand(words.version.name, words.version.summary);
export const info = declareCommand(words.info.name, words.info.summary);
export const events = declareCommand(words.events.name, words.events.summary, { aliases: words.events.aliases });
export const serve = declareCommand(words.serve.name, words.serve.summary, {
  description: "the store is the one --address embedded:///some/root names; containers go on when the server ends",
  flags: {
    listen: string("socket to listen on", { alias: "l", default: "/run/ctr/ctr.sock" }),
  },
});

/** Each with its code. */
export const versionEntry: Entry = entry(version, async () => (await import("../commands/version.ts")).versionCommand);
export const infoEntry: Entry = entry(info, async () => (await import("../commands/info.ts")).infoCommand);
export const eventsEntry: Entry = entry(events, async () => (await import("../commands/events.ts")).eventsCommand);
export const serveEntry: Entry = entry(serve, async () => (await import("../commands/serve.ts")).serveCommand);
