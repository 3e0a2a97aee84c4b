/** Debian's docker-registry on a loopback port of its own. */
export interface PrivateRegistry extends AsyncDisposable {
  /** `127.0.0.1:<port>` */
  readonly host: string;
  readonly dir: string;
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port and storage. */
  restart(): Promise<void>;
}
export interface RegistryOptions {
  /** Lines of YAML to add at top level (auth). */
  readonly extra?: string;
  /** Lines of YAML to add under `http:` (tls), indented by two. */
  readonly http?: string;
}
/** Starts a registry and resolves once it listens. */
export declare function startRegistry(options?: RegistryOptions): Promise<PrivateRegistry>;
