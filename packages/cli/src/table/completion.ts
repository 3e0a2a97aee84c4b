import { declareCommand, type Entry, entry } from "../command.ts";
import { words } from "./words.ts";

export const completion = declareCommand(words.completion.name, words.completion.summary, {
  usage: "bash|zsh|fish",
  description: "for bash, in ~/.bashrc: source <(ctr completion bash)",
});

/** With its code. */
export const completionEntry: Entry = entry(
  completion,
  async () => (await import("../commands/completion.ts")).completionCommand,
);
