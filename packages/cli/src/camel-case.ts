/** `skip-verify` as `skipVerify`; the run-time half of `FlagValues`. */
export function camelCase(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
