const whole = new WeakSet<object>();

/**
 * Says of an answer that it has all its fields, and no bytes that count against the message limit. Others are copied to
 * be completed, and searched for bytes: of a list of thousands that takes as long as reading it from the database.
 */
export function wholeMessage<T extends object>(message: T): T {
  whole.add(message);
  return message;
}

export function isWhole(message: unknown): boolean {
  return typeof message === "object" && message !== null && whole.has(message);
}
