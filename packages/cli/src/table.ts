import { type Entry, group, type Heading } from "./command.ts";
import { words } from "./table/words.ts";

/**
 * Every command there is, in the order help shows them. Only the words of the top level are here; what stands behind
 * one is loaded when it is chosen, and a command's code when it runs. A new command is one declaration and one line under
 * `table/`, and one file under `commands/`.
 */
export function commandTable(): readonly Heading[] {
  const headings: Heading[] = [];
  for (const name in words) {
    // for … in gives the keys of what it goes over.
    const word = name as keyof typeof words;
    headings.push({ words: words[word], load: () => load(word) });
  }
  return headings;
}

/** The whole table, for those who walk it. */
export function loadTable(headings: readonly Heading[] = commandTable()): Promise<readonly Entry[]> {
  return Promise.all(headings.map((heading) => heading.load()));
}

/** One function instead of one for each: every run makes what it declares. */
async function load(word: keyof typeof words): Promise<Entry> {
  switch (word) {
    case "plugins":
      return group(words.plugins, await import("./table/plugins.ts"));
    case "version":
      return (await import("./table/top-level.ts")).versionEntry;
    case "containers":
      return group(words.containers, await import("./table/containers.ts"));
    case "content":
      return group(words.content, await import("./table/content.ts"));
    case "events":
      return (await import("./table/top-level.ts")).eventsEntry;
    case "images":
      return group(words.images, await import("./table/images.ts"));
    case "leases":
      return group(words.leases, await import("./table/leases.ts"));
    case "namespaces":
      return group(words.namespaces, await import("./table/namespaces.ts"));
    case "pprof":
      return group(words.pprof, await import("./table/pprof.ts"));
    case "run":
      return (await import("./table/run.ts")).runEntry;
    case "snapshots":
      return group(words.snapshots, await import("./table/snapshots.ts"));
    case "tasks":
      return group(words.tasks, await import("./table/tasks.ts"));
    case "install":
      return (await import("./table/top-level.ts")).installEntry;
    case "oci":
      return group(words.oci, await import("./table/oci.ts"));
    case "sandboxes":
      return group(words.sandboxes, await import("./table/sandboxes.ts"));
    case "info":
      return (await import("./table/top-level.ts")).infoEntry;
    case "deprecations":
      return group(words.deprecations, await import("./table/deprecations.ts"));
    case "shim":
      return group(words.shim, await import("./table/shim.ts"));
    case "serve":
      return (await import("./table/top-level.ts")).serveEntry;
    case "completion":
      return (await import("./table/completion.ts")).completionEntry;
    default:
      return word satisfies never;
  }
}
