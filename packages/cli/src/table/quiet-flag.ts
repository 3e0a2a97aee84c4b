import { bool } from "../flag.ts";

/** `--quiet` of a list. */
export const quietFlag = (what: string) => ({ quiet: bool(`print only ${what}`, { alias: "q" }) });
