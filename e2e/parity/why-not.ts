/** Rows of the parity report that the test machines cannot fill, and why. */
export const whyNot: Readonly<Record<string, string>> = {
  "snapshots mounts --temp": "containerd 1.6 has no mount manager to ask",
  "run --sandbox": "no sandbox runs here to join",
  "containers create --sandbox": "no sandbox runs here to join",
};
