/** A containerd of this test's own: own root, state, socket. Disposing stops it with every shim and mount it left. */
export interface PrivateContainerd extends AsyncDisposable {
  readonly address: string;
  /** Everything of this instance lives below it. */
  readonly dir: string;
  readonly root: string;
  readonly state: string;
  readonly pid: number;
  /** Ends the daemon alone, as a crash would; containers go on. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts the daemon again on the same directories. */
  restart(): Promise<void>;
}
export interface ContainerdOptions {
  /** Where its data lives, when not in the instance's own directory. */
  readonly root?: string;
}
/** Starts Debian's containerd and resolves once it serves. */
export declare function startContainerd(options?: ContainerdOptions): Promise<PrivateContainerd>;
/** Mount points below `dir`, innermost first. */
export declare function mountsBelow(dir: string): Promise<readonly string[]>;
