const architectures: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386", ppc64: "ppc64le" };

/**
 * This machine as `os/arch[/variant]`, from what the program was built for: a default in help texts must not cost a
 * module or a file.
 */
export function hostPlatformName(): string {
  const architecture = architectures[process.arch] ?? process.arch;
  return `${process.platform}/${architecture}${architecture === "arm64" ? "/v8" : ""}`;
}
