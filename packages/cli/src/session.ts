import type { Client } from "@ctr/client";
import type { Globals } from "./command.ts";
import { connectEngine } from "./connect.ts";
import { type Logger, openLogger } from "./log.ts";
import type { Output } from "./streams.ts";

/** What lasts as long as one command: its connection, its deadline, its log. */
export interface Session {
  readonly log: Logger;
  readonly signal: AbortSignal;
  connect(): Promise<Client>;
  close(): Promise<void>;
}

/** Starts the clock of `--timeout`; connects only when asked, and then once. */
export function openSession(globals: Globals, around: { readonly stderr: Output }): Session {
  const deadline = new AbortController();
  const timer = startTimer(globals.timeout, deadline);
  const log = openLogger(around.stderr, { debug: globals.debug });
  let client: Promise<Client> | undefined;
  return {
    log,
    signal: deadline.signal,
    connect() {
      client ??= connectEngine(globals, { signal: deadline.signal });
      return client;
    },
    async close() {
      clearTimeout(timer);
      // A connection that failed has told so to whoever awaited it.
      const opened = await client?.catch(() => undefined);
      await opened?.[Symbol.asyncDispose]();
    },
  };
}

function startTimer(timeout: bigint, deadline: AbortController): ReturnType<typeof setTimeout> | undefined {
  if (timeout <= 0n) return undefined;
  const ms = Math.max(0, Math.min(Number(timeout / 1_000_000n), 2 ** 31 - 1));
  return setTimeout(() => deadline.abort(new DOMException("context deadline exceeded", "TimeoutError")), ms);
}
