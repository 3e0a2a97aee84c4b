/** The binary under test: `dist/ctr`, or what CTR_BIN names. */
export declare const ourCtr: string;
/** Debian's Go ctr: the reference. */
export declare const goCtr = "/usr/bin/ctr";
