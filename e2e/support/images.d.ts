export interface BlobRef {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}
/** An OCI layout directory: `blobs/`, `index.json`, `oci-layout`. */
export interface Layout {
  readonly dir: string;
  /** Digest of the one image index or manifest that index.json names. */
  readonly target: BlobRef;
}
declare const types: {
  index: string;
  manifest: string;
  config: string;
  layer: string;
};
export type MediaTypes = typeof types;
export declare const mediaTypes: {
  readonly docker: {
    index: string;
    manifest: string;
    config: string;
    layer: string;
  };
  readonly oci: {
    index: string;
    manifest: string;
    config: string;
    layer: string;
  };
};
export interface PlatformImage {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  /** Directories, one a layer. */
  readonly layers: readonly string[];
  /** The `config` object of the image. */
  readonly config: Readonly<Record<string, unknown>>;
}
/** Nginx of Debian on Debian's libraries with busybox for a shell; an index of eight platforms, seven of them a file each. */
export declare function nginxLayout(): Promise<Layout>;
/** Static busybox: one layer, OCI media types, with users to resolve and a stop signal. */
export declare function busyboxLayout(): Promise<Layout>;
/** Puts an image into a registry as `repository:tag`, platform by platform, index last. */
export declare function pushLayout(
  host: string,
  name: string,
  tag: string,
  layout: Layout,
  headers?: Record<string, string>,
): Promise<void>;
export declare function readBlob(layout: Layout, digest: string): Promise<Buffer>;
/** The layout as one tar, as `ctr images import` takes it. */
export declare function archiveOf(layout: Layout, file: string): Promise<void>;
/** Writes an image of one manifest, or an index over several, as an OCI layout below `work`. */
export declare function writeLayout(
  work: string,
  media: MediaTypes,
  images: readonly PlatformImage[],
  ref?: string,
): Promise<string>;
export declare function writeBlob(dir: string, mediaType: string, content: string | Buffer): Promise<BlobRef>;
export declare function sha256(bytes: Uint8Array): string;
