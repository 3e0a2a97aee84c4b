/** The bytes of a file, with room behind them for the next write. */
export interface FileContent {
  readonly room: Buffer;
  readonly size: number;
}

export function overwrite(old: FileContent | undefined, offset: number, data: Uint8Array): FileContent {
  const content = resize(old, Math.max(old?.size ?? 0, offset + data.byteLength));
  content.room.set(data, offset);
  return content;
}

/** Bytes nobody wrote, because that write was lost, are zero. */
export function resize(old: FileContent | undefined, size: number): FileContent {
  if (old === undefined) return { room: Buffer.alloc(size), size };
  if (size <= old.room.byteLength) {
    if (size < old.size) old.room.fill(0, size);
    return { room: old.room, size };
  }
  const room = Buffer.alloc(size * 2);
  room.set(old.room.subarray(0, old.size));
  return { room, size };
}

export function bytesOf(content: FileContent | undefined): Uint8Array {
  return content === undefined ? new Uint8Array() : content.room.subarray(0, content.size);
}
