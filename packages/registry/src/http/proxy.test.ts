import { expect, test } from "bun:test";
import { proxyFor } from "./proxy.ts";

const proxies = { HTTPS_PROXY: "http://secure:3128", HTTP_PROXY: "plain:8080" };

test.each([
  ["https takes HTTPS_PROXY", "https://a.example/", {}, "http://secure:3128/"],
  ["http takes HTTP_PROXY, written without a scheme", "http://a.example/", {}, "http://plain:8080/"],
  ["localhost is never proxied", "https://localhost:5000/", {}, undefined],
  ["a loopback address is never proxied", "http://127.9.9.9/", {}, undefined],
  ["IPv6 loopback is never proxied", "http://[::1]:5000/", {}, undefined],
  ["a star bypasses all", "https://a.example/", { NO_PROXY: "x, *" }, undefined],
  ["a name bypasses itself", "https://a.example/", { NO_PROXY: "a.example" }, undefined],
  ["a name bypasses what is below it", "https://r.a.example/", { NO_PROXY: "a.example" }, undefined],
  ["a name does not bypass its look-alikes", "https://bada.example/", { NO_PROXY: "a.example" }, "http://secure:3128/"],
  ["a dot bypasses only what is below", "https://a.example/", { NO_PROXY: ".a.example" }, "http://secure:3128/"],
  ["a dot bypasses what is below", "https://r.a.example/", { no_proxy: ".a.example" }, undefined],
  ["a port has to match", "https://a.example/", { NO_PROXY: "a.example:8443" }, "http://secure:3128/"],
  ["a default port matches", "https://a.example/", { NO_PROXY: "a.example:443" }, undefined],
  ["an address matches itself", "https://10.0.0.7/", { NO_PROXY: "10.0.0.7" }, undefined],
  ["a network holds its addresses", "https://10.1.2.3/", { NO_PROXY: "10.0.0.0/8" }, undefined],
  ["a network does not hold others", "https://11.1.2.3/", { NO_PROXY: "10.0.0.0/8" }, "http://secure:3128/"],
  ["an IPv6 network holds its addresses", "https://[fd00::12]/", { NO_PROXY: "fd00::/16" }, undefined],
  ["names in any case", "https://A.Example/", { NO_PROXY: "a.EXAMPLE" }, undefined],
])("proxyFor(): %s", (_what, url, extra, expected) => {
  expect(proxyFor(new URL(url), { ...proxies, ...extra })?.href).toBe(expected);
});

test("proxyFor() does not trust HTTP_PROXY under CGI", () => {
  expect(proxyFor(new URL("http://a.example/"), { HTTP_PROXY: "http://evil", REQUEST_METHOD: "GET" })).toBeUndefined();
});

test("proxyFor() refuses a proxy it cannot speak to, without showing its password", () => {
  const env = { HTTPS_PROXY: "socks5://me:secret@p:1080" };
  expect(() => proxyFor(new URL("https://a.example/"), env)).toThrow(/scheme socks5:\/\/ is not supported$/);
});
