import { expect, test } from "bun:test";
import { lastingEnvironment, scrubbedEnvironment } from "./environment.ts";

const env = {
  PATH: "/bin",
  BUN_OPTIONS: "--preload x",
  NODE_OPTIONS: "x",
  CTR_FAILPOINT: "x",
  HTTPS_PROXY: "http://me:pw@proxy:1",
  http_proxy: "http://proxy:1",
};

test("scrubbedEnvironment() leaves out what steers this program", () => {
  const { PATH, HTTPS_PROXY, http_proxy } = env;
  expect(scrubbedEnvironment(env)).toEqual({ PATH, HTTPS_PROXY, http_proxy });
});

test("lastingEnvironment() leaves out the passwords of proxies, too", () => {
  expect(lastingEnvironment(env)).toEqual({ PATH: "/bin", http_proxy: "http://proxy:1" });
});
