/**
 * An id nobody else has: nanoseconds within the second and four characters, as containerd makes them, but letters and
 * digits alone: an identifier may not end in a dash, nor hold two in a row.
 */
export function randomId(): string {
  const nanos = (performance.timeOrigin + performance.now()) * 1e6;
  const suffix = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(3))));
  return `${Math.floor(nanos % 1e9)}-${suffix.replaceAll("+", "p").replaceAll("/", "s")}`;
}
