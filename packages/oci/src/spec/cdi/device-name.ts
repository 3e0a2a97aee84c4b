/** A device by its full name, `vendor.com/class=name`. CDI spec 1.1, "Kind" and "CDI Devices". */
export interface CdiDeviceName {
  readonly vendor: string;
  readonly class: string;
  readonly name: string;
}

const KIND_PART = /^[A-Za-z]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/;
const DEVICE = /^[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?$/;

/** Whether `text` may name devices within a kind. */
export function isCdiDevice(text: string): boolean {
  return DEVICE.test(text);
}

/** Reads a kind, `vendor.com/class`; undefined where it is none. */
export function parseCdiKind(text: string): Omit<CdiDeviceName, "name"> | undefined {
  const slash = text.indexOf("/");
  const [vendor, kind] = [text.slice(0, slash), text.slice(slash + 1)];
  return slash > 0 && KIND_PART.test(vendor) && KIND_PART.test(kind) ? { vendor, class: kind } : undefined;
}

/** Reads a full name; undefined where it is none, such as for a path. */
export function parseCdiName(text: string): CdiDeviceName | undefined {
  const equals = text.indexOf("=");
  const kind = equals < 0 ? undefined : parseCdiKind(text.slice(0, equals));
  const name = text.slice(equals + 1);
  return kind !== undefined && isCdiDevice(name) ? { ...kind, name } : undefined;
}
