import type { Environment } from "../http/proxy.ts";

/**
 * Files that `docker login` and `podman login` write, in the order they are asked. One that the environment names is
 * the only one: `REGISTRY_AUTH_FILE`, or `config.json` in `DOCKER_CONFIG`.
 */
export function authFiles(env: Environment): readonly string[] {
  if (env["REGISTRY_AUTH_FILE"]) return [env["REGISTRY_AUTH_FILE"]];
  if (env["DOCKER_CONFIG"]) return [`${env["DOCKER_CONFIG"]}/config.json`];
  const home = env["HOME"] ?? "";
  const docker = home === "" ? [] : [`${home}/.docker/config.json`];
  return [...docker, ...podmanFiles(env, home)];
}

/** containers-auth.json(5): for this boot, then for good. */
function podmanFiles(env: Environment, home: string): readonly string[] {
  const runtime = env["XDG_RUNTIME_DIR"] || (home === "" ? "" : `/run/containers/${process.getuid?.() ?? 0}`);
  const forBoot = env["XDG_RUNTIME_DIR"] ? `${runtime}/containers/auth.json` : `${runtime}/auth.json`;
  const config = env["XDG_CONFIG_HOME"] || (home === "" ? "" : `${home}/.config`);
  return [...(runtime === "" ? [] : [forBoot]), ...(config === "" ? [] : [`${config}/containers/auth.json`])];
}
