import { join } from "node:path";
import { mustRun } from "./process.ts";

/** PEM files of an authority and of a server it vouches for. */
export interface Certificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Makes an authority of its own and a server certificate for 127.0.0.1 and `names`. */
export async function makeCertificates(dir: string, names: readonly string[]): Promise<Certificates> {
  const file = (name: string) => join(dir, name);
  const subjects = ["IP:127.0.0.1", ...names.map((name) => `DNS:${name}`)].join(",");
  const request = ["openssl", "req", "-newkey", "rsa:2048", "-nodes"];
  const ca = [...request, "-x509", "-days", "2", "-subj", "/CN=test authority"];
  await mustRun([...ca, "-keyout", file("ca.key"), "-out", file("ca.pem")]);
  await mustRun([...request, "-subj", "/CN=registry", "-keyout", file("server.key"), "-out", file("server.csr")]);
  await Bun.write(file("extensions"), `subjectAltName=${subjects}\n`);
  const sign = ["openssl", "x509", "-req", "-days", "2", "-in", file("server.csr"), "-CA", file("ca.pem")];
  const with_ = ["-CAkey", file("ca.key"), "-CAcreateserial", "-extfile", file("extensions")];
  await mustRun([...sign, ...with_, "-out", file("server.pem")]);
  return { ca: file("ca.pem"), cert: file("server.pem"), key: file("server.key") };
}
