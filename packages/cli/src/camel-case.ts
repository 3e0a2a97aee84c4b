/** `skip-verify` as `skipVerify`; the run-time half of `FlagValues`. */
export function camelCase(name: string): string {
  if (!name.includes("-")) return name;
  const [first = "", ...rest] = name.split("-");
  return first + rest.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}
