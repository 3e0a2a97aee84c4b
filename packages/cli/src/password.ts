import { fail } from "./errors.ts";
import type { Input, Output } from "./streams.ts";

/** Asks for a password on the terminal without showing it. Fails where there is no terminal to ask on. */
export async function readPassword({
  stdin,
  stderr,
}: {
  readonly stdin: Input;
  readonly stderr: Output;
}): Promise<string> {
  if (!stdin.isTerminal()) {
    throw fail("no password given and no terminal to ask for it", "write it as --user name:password");
  }
  // Before the question: a quick typist must not see his answer.
  process.stdin.setRawMode(true);
  try {
    await stderr.write("Password: ");
    return await typedLine(stdin.chunks());
  } finally {
    process.stdin.setRawMode(false);
    await stderr.write("\n");
  }
}

const CTRL_C = "\u0003";
const BACKSPACE = ["\u007f", "\b"];

async function typedLine(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  let typed = "";
  const decoder = new TextDecoder();
  for await (const chunk of chunks) {
    for (const key of decoder.decode(chunk, { stream: true })) {
      if (key === "\r" || key === "\n") return typed;
      if (key === CTRL_C) throw fail("context canceled");
      typed = BACKSPACE.includes(key) ? typed.slice(0, -1) : typed + key;
    }
  }
  return typed;
}
