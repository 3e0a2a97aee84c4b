/** Most of a body that is told, in bytes: manifests and error bodies are smaller. */
const MAX_TOLD_BYTES = 64 * 1024;

/** Members of forms and JSON whose value proves who is asking, or lets another ask in his name. */
const SECRET_MEMBERS = "password|token|access_token|refresh_token|identitytoken|secret|client_secret|assertion";

/** The same bytes; when they are over, `tell` gets them as lines, secrets masked, if `type` says that they are text. */
export async function* tellText(
  body: AsyncIterable<Uint8Array>,
  type: string,
  tell: (lines: readonly string[]) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (!isText(type)) {
    yield* body;
    return;
  }
  const parts: Uint8Array[] = [];
  let kept = 0;
  let length = 0;
  try {
    for await (const chunk of body) {
      length += chunk.byteLength;
      const part = chunk.slice(0, MAX_TOLD_BYTES - kept);
      kept += part.byteLength;
      parts.push(part);
      yield chunk;
    }
  } finally {
    if (length > 0) tell(textLines(Buffer.concat(parts).toString("utf8"), length - kept));
  }
}

function isText(type: string): boolean {
  return /^(?:text\/|application\/(?:[\w.-]+\+)?json\b|application\/x-www-form-urlencoded\b)|\+json\b/i.test(type);
}

function textLines(text: string, left: number): readonly string[] {
  const lines = maskSecrets(text)
    .replace(/\r?\n$/, "")
    .split(/\r?\n/)
    // A registry's bytes go to a terminal: control characters do not.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out
    .map((line) => line.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, " "));
  return left > 0 ? [...lines, `(${left} bytes more)`] : lines;
}

/** Masks by member name, in JSON as well as in forms; a text cut short may end within a value. */
export function maskSecrets(text: string): string {
  return text
    .replace(
      new RegExp(`("(?:${SECRET_MEMBERS})"\\s*:\\s*)(?:"(?:[^"\\\\]|\\\\.)*(?:"|$)|[[{][^\\]}]*[\\]}]?)`, "gi"),
      '$1"<redacted>"',
    )
    .replace(new RegExp(`(^|&)(${SECRET_MEMBERS})=[^&\\r\\n]*`, "gi"), "$1$2=<redacted>");
}
