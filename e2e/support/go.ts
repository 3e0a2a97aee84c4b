import { mustRun } from "./process.ts";

/** Builds one Go file on the libraries that Debian packages: no module, no network, no C compiler. Returns `program`. */
export async function buildGo(source: string, program: string): Promise<string> {
  const env = {
    GO111MODULE: "off",
    GOPATH: "/usr/share/gocode",
    GOFLAGS: "",
    CGO_ENABLED: "0",
    GOCACHE: "/var/tmp/ctr-go-cache",
  };
  await mustRun(["go", "build", "-o", program, source], { env, timeoutMs: 300_000 });
  return program;
}
