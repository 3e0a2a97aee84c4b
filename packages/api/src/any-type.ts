import type { DeepPartial, MessageType } from "@ctr/rpc";
import type { Any } from "./gen/google/protobuf/any.ts";
import { decodeValue } from "./json-any.ts";
import type { MessageOf, MessageTypeUrl } from "./typeurl.ts";

/**
 * A type URL and its message's codec: for who knows what he asks for. The functions that go by the URL alone bring along
 * every message that an `Any` may hold, which takes a short command half a millisecond to load.
 */
export interface AnyType<U extends MessageTypeUrl> {
  readonly typeUrl: U;
  readonly codec: MessageType<MessageOf<U>>;
}

/** `message` in an `Any`; fields left out take their defaults. */
export function encodeAnyOf<U extends MessageTypeUrl>(
  { typeUrl, codec }: AnyType<U>,
  message: DeepPartial<MessageOf<U>>,
): Any {
  return { typeUrl, value: codec.encode(codec.fromPartial(message)).finish() };
}

/**
 * The message in `any` when it is of that type, else undefined. Tolerates a prefix before the name, as containerd does.
 * Throws `invalid_argument` when the bytes are not what the URL says.
 */
export function decodeAnyOf<U extends MessageTypeUrl>(
  { typeUrl, codec }: AnyType<U>,
  any: Any | undefined,
): MessageOf<U> | undefined {
  if (any === undefined || nameOf(any.typeUrl) !== typeUrl) return undefined;
  return decodeValue(any, (bytes) => codec.decode(bytes));
}

/** The bare full name in a type URL. */
export function nameOf(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf("/") + 1);
}
