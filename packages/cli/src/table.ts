import { type Entry, entry, group } from "./command.ts";
import * as containers from "./table/containers.ts";
import * as content from "./table/content.ts";
import * as images from "./table/images.ts";
import * as leases from "./table/leases.ts";
import * as namespaces from "./table/namespaces.ts";
import { snapshotterFlag } from "./table/shared-flags.ts";
import * as snapshots from "./table/snapshots.ts";
import * as tasks from "./table/tasks.ts";
import * as top from "./table/top-level.ts";

/**
 * Every command there is, in the order help shows them. Each names the module of its code, which is loaded only when
 * the command runs. A new command is one declaration under `table/`, one file under `commands/` and one line here.
 */
export function commandTable(): readonly Entry[] {
  return [
    group("plugins", "List the daemon's plugins", {
      aliases: ["plugin"],
      entries: [entry(top.pluginsList, async () => (await import("./commands/plugins/list.ts")).listCommand)],
    }),
    entry(top.version, async () => (await import("./commands/version.ts")).versionCommand),
    containersGroup(),
    contentGroup(),
    entry(top.events, async () => (await import("./commands/events.ts")).eventsCommand),
    imagesGroup(),
    leasesGroup(),
    namespacesGroup(),
    entry(top.run, async () => (await import("./commands/run.ts")).runCommand),
    snapshotsGroup(),
    tasksGroup(),
    group("oci", "OCI tools", {
      entries: [entry(top.ociSpec, async () => (await import("./commands/oci/spec.ts")).specCommand)],
    }),
    entry(top.serve, async () => (await import("./commands/serve.ts")).serveCommand),
    entry(top.info, async () => (await import("./commands/info.ts")).infoCommand),
  ];
}

function contentGroup(): Entry {
  return group("content", "Manage the content store", {
    entries: [
      entry(content.active, async () => (await import("./commands/content/active.ts")).activeCommand),
      entry(content.remove, async () => (await import("./commands/content/remove.ts")).removeCommand),
      entry(content.edit, async () => (await import("./commands/content/edit.ts")).editCommand),
      entry(content.fetch, async () => (await import("./commands/content/fetch.ts")).fetchCommand),
      entry(content.get, async () => (await import("./commands/content/get.ts")).getCommand),
      entry(content.ingest, async () => (await import("./commands/content/ingest.ts")).ingestCommand),
      entry(content.list, async () => (await import("./commands/content/list.ts")).listCommand),
      entry(content.label, async () => (await import("./commands/content/label.ts")).labelCommand),
    ],
  });
}

function leasesGroup(): Entry {
  return group("leases", "Manage leases", {
    entries: [
      entry(leases.list, async () => (await import("./commands/leases/list.ts")).listCommand),
      entry(leases.create, async () => (await import("./commands/leases/create.ts")).createCommand),
      entry(leases.remove, async () => (await import("./commands/leases/remove.ts")).removeCommand),
    ],
  });
}

function namespacesGroup(): Entry {
  return group("namespaces", "Manage namespaces", {
    aliases: ["namespace", "ns"],
    entries: [
      entry(namespaces.create, async () => (await import("./commands/namespaces/create.ts")).createCommand),
      entry(namespaces.list, async () => (await import("./commands/namespaces/list.ts")).listCommand),
      entry(namespaces.remove, async () => (await import("./commands/namespaces/remove.ts")).removeCommand),
      entry(namespaces.label, async () => (await import("./commands/namespaces/label.ts")).labelCommand),
    ],
  });
}

function snapshotsGroup(): Entry {
  return group("snapshots", "Manage snapshots", {
    aliases: ["snapshot"],
    flags: snapshotterFlag,
    entries: [
      entry(snapshots.commit, async () => (await import("./commands/snapshots/commit.ts")).commitCommand),
      entry(snapshots.diff, async () => (await import("./commands/snapshots/diff.ts")).diffCommand),
      entry(snapshots.info, async () => (await import("./commands/snapshots/info.ts")).infoCommand),
      entry(snapshots.list, async () => (await import("./commands/snapshots/list.ts")).listCommand),
      entry(snapshots.mounts, async () => (await import("./commands/snapshots/mounts.ts")).mountsCommand),
      entry(snapshots.prepare, async () => (await import("./commands/snapshots/prepare.ts")).prepareCommand),
      entry(snapshots.remove, async () => (await import("./commands/snapshots/remove.ts")).removeCommand),
      entry(snapshots.label, async () => (await import("./commands/snapshots/label.ts")).labelCommand),
      entry(snapshots.tree, async () => (await import("./commands/snapshots/tree.ts")).treeCommand),
      entry(snapshots.unpack, async () => (await import("./commands/snapshots/unpack.ts")).unpackCommand),
      entry(snapshots.usage, async () => (await import("./commands/snapshots/usage.ts")).usageCommand),
      entry(snapshots.view, async () => (await import("./commands/snapshots/view.ts")).viewCommand),
    ],
  });
}

function containersGroup(): Entry {
  return group("containers", "Manage containers", {
    aliases: ["c", "container"],
    entries: [
      entry(containers.create, async () => (await import("./commands/containers/create.ts")).createCommand),
      entry(containers.remove, async () => (await import("./commands/containers/remove.ts")).removeCommand),
      entry(containers.info, async () => (await import("./commands/containers/info.ts")).infoCommand),
      entry(containers.list, async () => (await import("./commands/containers/list.ts")).listCommand),
      entry(containers.label, async () => (await import("./commands/containers/label.ts")).labelCommand),
    ],
  });
}

function imagesGroup(): Entry {
  return group("images", "Manage images", {
    aliases: ["image", "i"],
    entries: [
      entry(images.check, async () => (await import("./commands/images/check.ts")).checkCommand),
      entry(images.exportImages, async () => (await import("./commands/images/export.ts")).exportCommand),
      entry(images.importImages, async () => (await import("./commands/images/import.ts")).importCommand),
      entry(images.inspect, async () => (await import("./commands/images/inspect.ts")).inspectCommand),
      entry(images.list, async () => (await import("./commands/images/list.ts")).listCommand),
      entry(images.mount, async () => (await import("./commands/images/mount.ts")).mountCommand),
      entry(images.unmount, async () => (await import("./commands/images/unmount.ts")).unmountCommand),
      entry(images.pull, async () => (await import("./commands/images/pull.ts")).pullCommand),
      entry(images.push, async () => (await import("./commands/images/push.ts")).pushCommand),
      entry(images.remove, async () => (await import("./commands/images/remove.ts")).removeCommand),
      entry(images.tag, async () => (await import("./commands/images/tag.ts")).tagCommand),
      entry(images.label, async () => (await import("./commands/images/label.ts")).labelCommand),
      entry(images.usage, async () => (await import("./commands/images/usage.ts")).usageCommand),
    ],
  });
}

function tasksGroup(): Entry {
  return group("tasks", "Manage tasks", {
    aliases: ["t", "task"],
    entries: [
      entry(tasks.attach, async () => (await import("./commands/tasks/attach.ts")).attachCommand),
      entry(tasks.remove, async () => (await import("./commands/tasks/remove.ts")).removeCommand),
      entry(tasks.exec, async () => (await import("./commands/tasks/exec.ts")).execCommand),
      entry(tasks.list, async () => (await import("./commands/tasks/list.ts")).listCommand),
      entry(tasks.kill, async () => (await import("./commands/tasks/kill.ts")).killCommand),
      entry(tasks.metrics, async () => (await import("./commands/tasks/metrics.ts")).metricsCommand),
      entry(tasks.pause, async () => (await import("./commands/tasks/pause.ts")).pauseCommand),
      entry(tasks.ps, async () => (await import("./commands/tasks/ps.ts")).psCommand),
      entry(tasks.resume, async () => (await import("./commands/tasks/resume.ts")).resumeCommand),
      entry(tasks.start, async () => (await import("./commands/tasks/start.ts")).startCommand),
    ],
  });
}
