/** Rows of the parity report that the test machines cannot fill, and why. */
export const whyNot: Readonly<Record<string, string>> = {};
