export { hideArgument } from "./arguments.ts";
export { capabilityNames, readEffectiveCapabilities } from "./capabilities.ts";
export { openCgroupWindow } from "./cgroup-window.ts";
export { type Environment, lastingEnvironment, scrubbedEnvironment } from "./environment.ts";
export { type FifoReader, type FifoWriter, makeFifo, openFifoReader, openFifoWriter } from "./fifo.ts";
export { fileError } from "./file-error.ts";
export { processRootedAbove } from "./foreign-root.ts";
export {
  type DeviceNumbers,
  getHostname,
  getKernelVersion,
  type PathEntry,
  readPathEntry,
  splitDevice,
} from "./host.ts";
export { ErrnoError } from "./libc.ts";
export { type FileLock, type LockOptions, openLock, tryLock } from "./lock.ts";
export { type MountRequest, mountAll, readOnlyMounts, unmount, unmountAll } from "./mount.ts";
export { listMounts, type MountEntry, mountPointsAt, parseMountInfo } from "./mountinfo.ts";
export { type IdMapping, type OwnerMappings, shiftOwners } from "./owners.ts";
export { type ProcessState, processIdentity, processState } from "./process-identity.ts";
export { MAX_ROOTFS_FILE_BYTES, openRoot, type Root, type RootEntry } from "./rootfs.ts";
export { syncFilesystem, throwWriteFault } from "./sync.ts";
export { findTerminal, getTerminalSize, openRawTerminal, type RawTerminal, type TerminalSize } from "./terminal.ts";
export { openTree, Tree, type TreeMetadata, type TreeNode, type XattrFault } from "./tree.ts";
export { printable } from "./tree-calls.ts";
export type { MakeDirectory, TreeDirectory } from "./tree-directories.ts";
export type { FileTime, TreeKind, TreeStat } from "./tree-stat.ts";
export type { Xattr } from "./tree-xattr.ts";
export { listenUnix, MAX_UNIX_PATH_BYTES } from "./unix-listener.ts";
