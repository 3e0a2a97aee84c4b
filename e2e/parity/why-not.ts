const notYet = "not built yet: refused with a reason";

/** Rows of the parity report that the test machines cannot fill, and why. */
export const whyNot: Readonly<Record<string, string>> = {
  "snapshots mounts --temp": "containerd 1.6 has no mount manager to ask",
  "run --cni": notYet,
  "run --gpus": notYet,
  "run --sandbox": "no sandbox runs here to join",
  "run --blockio-config-file": notYet,
  "run --blockio-class": notYet,
  "containers create --gpus": notYet,
  "containers create --sandbox": "no sandbox runs here to join",
  "containers create --blockio-config-file": notYet,
  "containers create --blockio-class": notYet,
};
