export { capabilityNames, readEffectiveCapabilities } from "./capabilities.ts";
export { type FifoReader, type FifoWriter, makeFifo, openFifoReader, openFifoWriter } from "./fifo.ts";
export { fileError } from "./file-error.ts";
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
export { MAX_ROOTFS_FILE_BYTES, openRoot, type Root, type RootEntry } from "./rootfs.ts";
export { findTerminal, getTerminalSize, openRawTerminal, type RawTerminal, type TerminalSize } from "./terminal.ts";
