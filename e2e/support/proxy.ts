import { createServer, request } from "node:http";
import { type AddressInfo, connect } from "node:net";

/** An HTTP proxy on loopback that sends everything to one server, whatever name was asked for. */
export interface TestProxy extends AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** `GET http://…` and `CONNECT host:port`, in order. */
  readonly asked: readonly string[];
}

export async function startProxy(backend: string): Promise<TestProxy> {
  const asked: string[] = [];
  const [host = "", port = ""] = backend.split(":");
  const server = createServer((incoming, answer) => {
    asked.push(`${incoming.method} ${incoming.url}`);
    const url = new URL(incoming.url ?? "/", "http://origin.invalid");
    const { method = "GET", headers } = incoming;
    const onward = request({ host, port, method, headers, path: url.pathname + url.search }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    onward.on("error", () => answer.destroy());
    incoming.pipe(onward);
  });
  server.on("connect", (incoming, near) => {
    asked.push(`CONNECT ${incoming.url}`);
    const far = connect({ host, port: Number(port) }, () => {
      near.write("HTTP/1.1 200 Connection established\r\n\r\n");
      near.pipe(far).pipe(near);
    });
    far.on("error", () => near.destroy());
    near.on("error", () => far.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // A listening TCP server has an address and a port.
  const address = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${address.port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}
