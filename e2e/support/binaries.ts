import { resolve } from "node:path";

/** The binary under test: `dist/ctr`, or what CTR_BIN names. */
export const ourCtr = process.env["CTR_BIN"] ?? resolve(import.meta.dir, "../../dist/ctr");

/** Debian's Go ctr: the reference. */
export const goCtr = "/usr/bin/ctr";
