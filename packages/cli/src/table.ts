import { type Entry, type GroupParts, group, type Heading, type Words } from "./command.ts";
import { words } from "./table/words.ts";

/**
 * Every command there is, in the order help shows them. Only the words of the top level are here; what stands behind
 * one is loaded when it is chosen, and a command's code when it runs. A new command is one declaration and one line under
 * `table/`, and one file under `commands/`.
 */
export function commandTable(): readonly Heading[] {
  return [
    groupOf(words.plugins, () => import("./table/plugins.ts")),
    { words: words.version, load: async () => (await import("./table/top-level.ts")).versionEntry },
    groupOf(words.containers, () => import("./table/containers.ts")),
    groupOf(words.content, () => import("./table/content.ts")),
    { words: words.events, load: async () => (await import("./table/top-level.ts")).eventsEntry },
    groupOf(words.images, () => import("./table/images.ts")),
    groupOf(words.leases, () => import("./table/leases.ts")),
    groupOf(words.namespaces, () => import("./table/namespaces.ts")),
    groupOf(words.pprof, () => import("./table/pprof.ts")),
    { words: words.run, load: async () => (await import("./table/run.ts")).runEntry },
    groupOf(words.snapshots, () => import("./table/snapshots.ts")),
    groupOf(words.tasks, () => import("./table/tasks.ts")),
    { words: words.install, load: async () => (await import("./table/top-level.ts")).installEntry },
    groupOf(words.oci, () => import("./table/oci.ts")),
    groupOf(words.sandboxes, () => import("./table/sandboxes.ts")),
    { words: words.info, load: async () => (await import("./table/top-level.ts")).infoEntry },
    groupOf(words.deprecations, () => import("./table/deprecations.ts")),
    groupOf(words.shim, () => import("./table/shim.ts")),
    { words: words.serve, load: async () => (await import("./table/top-level.ts")).serveEntry },
    { words: words.completion, load: async () => (await import("./table/completion.ts")).completionEntry },
  ];
}

/** The whole table, for those who walk it. */
export function loadTable(headings: readonly Heading[] = commandTable()): Promise<readonly Entry[]> {
  return Promise.all(headings.map((heading) => heading.load()));
}

function groupOf(named: Words, load: () => Promise<GroupParts>): Heading {
  return { words: named, load: async () => group(named, await load()) };
}
