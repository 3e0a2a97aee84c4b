import { encodeAny } from "@ctr/api";
import { type Descriptor, refKey } from "@ctr/oci";
import type { TransferEvent } from "@ctr/registry";
import { descriptorToWire } from "../services/wire.ts";
import type { StreamEnd } from "./streams.ts";

/** How often the bytes of one blob are told of, in milliseconds; as containerd. */
const INTERVAL_MS = 300;

/** What a blob's progress line says besides its event. */
interface Told {
  readonly descriptor: Descriptor;
  readonly parents: readonly string[];
  event: string;
  toldAtMs: number;
}

/** Words for bytes that move: down from a registry, or up to it. */
export type Direction = "downloading" | "uploading";

/** Tells a client how a transfer comes along, in containerd's words (engine reference, section 18.2, Progress). */
export class TransferProgress implements Disposable {
  readonly #stream: StreamEnd | undefined;
  readonly #blobs = new Map<string, Told>();

  /** Without a stream nobody wants to know. Disposing ends the stream. */
  constructor(stream: StreamEnd | undefined) {
    this.#stream = stream;
  }

  /** What happens to the whole. */
  whole(event: string): void {
    this.#send({ event });
  }

  /** What happens to an image, by its name. */
  image(event: string, name: string, descriptor: Descriptor): void {
    this.#send({ event, name, desc: descriptorToWire(descriptor) });
  }

  /** What happens to one blob of the image `root` on its way. */
  blob(root: string, direction: Direction, event: TransferEvent): void {
    if (this.#stream === undefined || event.kind === "resolving" || event.kind === "resolved") return;
    const { ref, descriptor } = event;
    const parents = [(event.kind === "waiting" ? event.parent : undefined) ?? root];
    const told = this.#blobs.get(ref) ?? { descriptor, parents, event: "", toldAtMs: 0 };
    this.#blobs.set(ref, told);
    switch (event.kind) {
      case "waiting":
        this.#tell(ref, told, "waiting", 0n);
        break;
      case "transferring":
        this.#tell(ref, told, direction, event.offset);
        break;
      case "committing":
        break;
      case "exists":
        this.#tell(ref, told, "already exists", 0n);
        break;
      case "done":
        this.#tell(ref, told, "complete", descriptor.size);
        break;
      default:
        event satisfies never;
    }
  }

  /** What happens to a layer that was told of before, or, of an archive, that was not. */
  layer(root: string, event: "extracting" | "extracted", descriptor: Descriptor): void {
    const ref = refKey(descriptor);
    const told = this.#blobs.get(ref) ?? { descriptor, parents: [root], event: "", toldAtMs: 0 };
    this.#blobs.set(ref, told);
    this.#tell(ref, told, event, event === "extracted" ? descriptor.size : 0n);
  }

  [Symbol.dispose](): void {
    this.#stream?.end();
  }

  #tell(name: string, told: Told, event: string, progress: bigint): void {
    const now = performance.now();
    if (told.event === event && now - told.toldAtMs < INTERVAL_MS) return;
    told.event = event;
    told.toldAtMs = now;
    const { descriptor, parents } = told;
    this.#send({ event, name, parents, progress, total: descriptor.size, desc: descriptorToWire(descriptor) });
  }

  #send(progress: Parameters<typeof encodeAny<"containerd.types.transfer.Progress">>[1]): void {
    this.#stream?.send(encodeAny("containerd.types.transfer.Progress", progress));
  }
}
