import { ContainerdError } from "@ctr/api";
import type { Mount } from "@ctr/oci";

/** What is done to a mount before it is mounted, as a prefix of its type says: `format/mkdir/overlay`. */
export type Transform = "format" | "mkdir" | "mkfs";

/** One mount of a list, taken apart. */
export interface PlannedMount {
  readonly mount: Mount;
  /** In the order in which they are done. */
  readonly transforms: readonly Transform[];
  /** As it came, with the transforms before it. */
  readonly given: Mount;
}

export interface PlanOptions {
  readonly everything: boolean;
  /** What the caller does itself: types as they are given, and `format/*` for all that are to be formatted. */
  readonly allowed?: ReadonlySet<string>;
}

/** Who mounts what of a list. */
export interface MountPlan {
  /** Mounted by us, each on a directory of its own. */
  readonly own: readonly PlannedMount[];
  /** What is left for the caller; of the first, the transforms are still ours. */
  readonly system: readonly PlannedMount[];
}

const TRANSFORMS: ReadonlySet<string> = new Set<Transform>(["format", "mkdir", "mkfs"]);
/** Types that the kernel does not know and we do. */
const HANDLED: ReadonlySet<string> = new Set(["loop"]);

/**
 * Takes a list apart. Ours are all up to the last one that only we can mount, or that fills in what earlier ones
 * became; all of them where everything is to be mounted. `unimplemented` when none is ours: the caller mounts the list as it is.
 * Engine reference, section 8.2.
 */
export function planMounts(mounts: readonly Mount[], options: PlanOptions): MountPlan {
  const planned = mounts.map(takeApart);
  const { everything, allowed = new Set<string>() } = options;
  let own = everything ? planned.length : -1;
  for (const [at, { mount, transforms, given }] of everything ? [] : planned.entries()) {
    const ours = transforms.filter((transform) => !allowed.has(`${transform}/*`) && !allowed.has(given.type));
    if (HANDLED.has(mount.type) && !allowed.has(mount.type)) own = at + 1;
    else if (ours.length > 0) own = at;
  }
  if (own === -1 || planned.length === 0) {
    throw new ContainerdError({ code: "unimplemented", what: "nothing in the list is for the mount manager" });
  }
  return { own: planned.slice(0, own), system: planned.slice(own) };
}

/** Whether a list has something that only the mount manager can do. */
export function needsManager(mounts: readonly Mount[]): boolean {
  return mounts.map(takeApart).some(({ mount, transforms }) => transforms.length > 0 || HANDLED.has(mount.type));
}

function takeApart(mount: Mount): PlannedMount {
  const words = mount.type.split("/");
  const end = words.findIndex((word, at) => at === words.length - 1 || !isTransform(word));
  const transforms = words.slice(0, end).filter(isTransform);
  return { mount: { ...mount, type: words.slice(end).join("/") }, transforms, given: mount };
}

function isTransform(word: string): word is Transform {
  return TRANSFORMS.has(word);
}
