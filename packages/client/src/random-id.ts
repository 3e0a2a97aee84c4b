/** An id nobody else has: nanoseconds within the second and four base64url characters, as containerd makes them. */
export function randomId(): string {
  const nanos = (performance.timeOrigin + performance.now()) * 1e6;
  const suffix = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(3))));
  return `${Math.floor(nanos % 1e9)}-${suffix.replaceAll("+", "-").replaceAll("/", "_")}`;
}
