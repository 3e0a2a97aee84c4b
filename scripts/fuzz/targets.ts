import { gzipSync, zstdCompressSync } from "node:zlib";
import { contentV1, protobufAny } from "@ctr/api";
import {
  decompress,
  formatPlatform,
  formatReference,
  normalizePlatform,
  type Platform,
  parseDigest,
  parseDockerReference,
  parseImageConfig,
  parseIndex,
  parseJsonObject,
  parseManifest,
  parsePlatform,
  parseReference,
  type Reference,
  readTar,
  referencePath,
} from "@ctr/oci";
import { parseHostsToml } from "@ctr/registry";
import { parseNetworkConfig } from "../../packages/client/src/cni/network-config.ts";
import { contentSummaries } from "../../packages/client/src/summary-wire.ts";
import { parseFilters, textField } from "../../packages/engine/src/metadata/filters/filter.ts";
import { compilePattern } from "../../packages/engine/src/metadata/filters/pattern.ts";
import { parseShimAnswer } from "../../packages/engine/src/runtime/shim-address.ts";
import { readCdiSpec } from "../../packages/oci/src/spec/cdi/spec-file.ts";
import { parseChallenges } from "../../packages/registry/src/auth/challenge.ts";
import { FrameReader } from "../../packages/rpc/src/frame-reader.ts";
import { H2ConnectionError } from "../../packages/rpc/src/h2-error.ts";
import { HpackDecoder } from "../../packages/rpc/src/hpack-decoder.ts";
import type { Target } from "./fuzz.ts";

const blobLists = await contentSummaries();
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (input: Uint8Array) => new TextDecoder().decode(input);
const seeds = (...texts: readonly string[]) => texts.map(bytes);

/** A document is what its descriptor says, so the descriptor is made from the document. */
function descriptorOf(mediaType: string, input: Uint8Array) {
  const digest = parseDigest(`sha256:${new Bun.CryptoHasher("sha256").update(input).digest("hex")}`);
  return { mediaType, digest, size: BigInt(input.byteLength) };
}

async function* once(input: Uint8Array) {
  yield input;
}

/** Names that reach a registry's URL or a file name climb nowhere. */
function flat(reference: Reference): Reference {
  const climbing = referencePath(reference)
    .split("/")
    .find((part) => part === ".." || part === ".");
  if (climbing === undefined) return reference;
  throw new Error(`${formatReference(reference)} climbs`);
}

/** What a platform's text means does not change by writing it and reading it again. */
function stable(input: Uint8Array): Platform {
  const platform = normalizePlatform(parsePlatform(text(input)));
  const written = formatPlatform(platform);
  const again = formatPlatform(normalizePlatform(parsePlatform(written)));
  if (again !== written) throw new Error(`${written} became ${again}`);
  return platform;
}

const hex = "0123456789abcdef".repeat(4);
const digest = `sha256:${hex}`;
const layer = `{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"${digest}","size":3}`;
const config = `{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"${digest}","size":2}`;

function tarOf(name: string, type: string, content: string): Uint8Array {
  const header = Buffer.alloc(512);
  header.write(name, 0, "latin1");
  header.write("0000644\0" + "0000000\0" + "0000000\0", 100, "latin1");
  header.write(`${content.length.toString(8).padStart(11, "0")}\0`, 124, "latin1");
  header.write("00000000000\0", 136, "latin1");
  header.write(`        ${type}`, 148, "latin1");
  header.write("ustar\u000000", 257, "latin1");
  return Buffer.concat([
    header,
    Buffer.alloc(Math.ceil(content.length / 512) * 512, content, "latin1"),
    Buffer.alloc(1024),
  ]);
}

/** Headers with the sums that make them headers: a mutant without them would not get past the first check. */
function withChecksums(input: Uint8Array): Uint8Array {
  const copy = Buffer.from(input);
  for (let at = 0; at + 512 <= copy.byteLength; at += 512) {
    const header = copy.subarray(at, at + 512);
    if (header.toString("latin1", 257, 262) !== "ustar") continue;
    header.fill(" ", 148, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  }
  return copy;
}

const tars = [tarOf("a/b", "0", "hello"), tarOf("pax", "x", "20 path=long/name/x\n11 size=5\n"), tarOf("l", "2", "")];

/** All parsers of bytes that an image, a registry, a client or a shim sends. */
export const targets: readonly Target[] = [
  {
    name: "reference",
    seeds: seeds("docker.io/library/alpine:3.18", `host:5000/a/b@${digest}`, "a:b", "[::1]:5000/x:1"),
    run: (input) => flat(parseReference(text(input))),
  },
  {
    name: "docker reference",
    seeds: seeds("alpine", "docker.io/library/alpine:3.18", `localhost/x@${digest}`, "a/b/c:tag"),
    run: (input) => parseDockerReference(text(input)),
  },
  { name: "digest", seeds: seeds(digest, `sha512:${hex}${hex}`), run: (input) => parseDigest(text(input)) },
  {
    name: "platform",
    seeds: seeds("linux/amd64", "linux/arm/v7", "windows(10.0.17763)/amd64", "arm64", "linux/arm64/v8"),
    run: stable,
  },
  {
    name: "manifest",
    seeds: seeds(`{"schemaVersion":2,"config":${config},"layers":[${layer},${layer}],"annotations":{"a":"b"}}`),
    run: (input) => parseManifest(input, descriptorOf("application/vnd.oci.image.manifest.v1+json", input)),
  },
  {
    name: "index",
    seeds: seeds(
      `{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"${digest}","size":7,"platform":{"os":"linux","architecture":"arm","variant":"v7"}}]}`,
    ),
    run: (input) => parseIndex(input, descriptorOf("application/vnd.oci.image.index.v1+json", input)),
  },
  {
    name: "image config",
    seeds: seeds(
      `{"os":"linux","architecture":"amd64","config":{"Env":["A=b"],"Cmd":["sh"],"User":"1:2","Labels":{"a":"b"}},"rootfs":{"type":"layers","diff_ids":["${digest}"]},"history":[{"empty_layer":true}]}`,
    ),
    run: (input) => parseImageConfig(input),
  },
  {
    name: "hosts.toml",
    seeds: seeds(
      'server = "https://r.example"\n[host."https://m.example:5000/v2/x"]\n capabilities = ["pull", "resolve"]\n ca = ["/a.pem"]\n client = [["/c.pem", "/k.pem"]]\n skip_verify = true\n override_path = true\n [host."https://m.example:5000/v2/x".header]\n  x = ["1", "2"]\n',
    ),
    run: (input) => parseHostsToml(text(input), "/hosts.toml"),
  },
  {
    name: "network configuration",
    seeds: seeds(
      '{"cniVersion":"1.0.0","cniVersions":["0.4.0"],"name":"n","plugins":[{"type":"bridge","ipam":{"type":"x"}},{"type":"portmap","capabilities":{"portMappings":true}}]}',
      '{"cniVersion":"0.4.0","name":"lo","type":"loopback"}',
    ),
    run(input) {
      const { name, plugins } = parseNetworkConfig(input, "/x");
      // Both become parts of paths.
      if ([name, ...plugins.map(({ type }) => type)].some((part) => part.includes("/"))) throw new Error("it climbs");
      return plugins.length;
    },
  },
  {
    name: "CDI description",
    seeds: seeds(
      '{"cdiVersion":"1.1.0","kind":"v.com/c","annotations":{"a":"b"},"containerEdits":{"env":["A=1"]},"devices":[{"name":"0","containerEdits":{"deviceNodes":[{"path":"/dev/x","type":"c","major":1,"permissions":"rw"}],"mounts":[{"hostPath":"/a","containerPath":"/b","options":["ro"]}],"hooks":[{"hookName":"poststop","path":"/x","timeout":1}],"additionalGids":[1],"intelRdt":{"closID":"c"},"netDevices":[{"hostInterfaceName":"a","name":"b"}]}}]}',
    ),
    run: (input) => readCdiSpec(parseJsonObject(input, "CDI description"), "/x").devices.size,
  },
  {
    name: "auth challenge",
    seeds: seeds(
      'Bearer realm="https://a.example/token",service="s",scope="repository:x:pull,push"',
      'Basic realm="x", Digest a=b',
    ),
    run: (input) => parseChallenges([text(input)]),
  },
  {
    name: "filters",
    seeds: seeds('name==a,labels."a.b"!=c', "name~=^a[b-d]*(e|f)+$", "id", 'labels.x~="\\\\d{2,3}"'),
    run: (input) => parseFilters(text(input).split("\n"))((path) => textField(path.join("."))),
  },
  {
    name: "filter pattern",
    seeds: seeds("^a[b-d]*(e|f)+$", "(?i)x{2,5}", "[[:alpha:]]\\pL", "a.*b.*c"),
    run: (input) => compilePattern(text(input))?.("abcde".repeat(20)),
  },
  {
    name: "tar",
    seeds: tars,
    async run(input) {
      const names: number[] = [];
      for await (const entry of readTar(once(withChecksums(input)))) names.push(entry.name.length);
      return names;
    },
  },
  {
    name: "compression",
    seeds: [gzipSync(Buffer.alloc(3000, "layer")), zstdCompressSync(Buffer.alloc(3000, "layer")), bytes("plain")],
    async run(input) {
      let size = 0;
      for await (const chunk of decompress(once(input))) size += chunk.byteLength;
      return size;
    },
  },
  {
    name: "hpack",
    seeds: [
      Uint8Array.of(
        0x82,
        0x86,
        0x84,
        0x41,
        0x8c,
        0xf1,
        0xe3,
        0xc2,
        0xe5,
        0xf2,
        0x3a,
        0x6b,
        0xa0,
        0xab,
        0x90,
        0xf4,
        0xff,
      ),
      Uint8Array.of(0x40, 0x01, 0x61, 0x01, 0x62, 0xbe, 0x3f, 0xe1, 0x1f),
    ],
    run: (input) => new HpackDecoder({ maxTableBytes: 4096, maxListBytes: 65536 }).decode(input),
    refusals: [H2ConnectionError],
  },
  {
    name: "http/2 frames",
    seeds: [Uint8Array.of(0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 1, 0, 1, 0, 0, 0, 3, 9)],
    run(input) {
      const frames: number[] = [];
      const reader = new FrameReader(16384, (type, _flags, _id, payload) => frames.push(type, payload.byteLength));
      const half = input.byteLength >> 1;
      reader.push(input.subarray(0, half));
      reader.push(input.subarray(half));
      return frames;
    },
    refusals: [H2ConnectionError],
  },
  {
    name: "shim answer",
    seeds: seeds(
      "unix:///run/containerd/s/abc",
      '{"version":3,"address":"unix:///x","protocol":"ttrpc"}',
      "\u0008\u0003\u0012\u0003a:b",
    ),
    run: (input) => parseShimAnswer(input),
  },
  {
    name: "protobuf Any",
    seeds: [protobufAny.Any.encode({ typeUrl: "a.b/C", value: Uint8Array.of(1, 2, 3) }).finish()],
    // Its generated reader throws plain errors, which every service turns into a refusal at the message's boundary.
    run: (input) => protobufAny.Any.decode(input),
    refusals: [Error],
  },
  {
    name: "list of blobs",
    seeds: [
      contentV1.ListContentResponse.encode(
        contentV1.ListContentResponse.fromPartial({
          info: [
            { digest: "sha256:ab", size: 2n ** 60n, createdAt: { seconds: -1n, nanos: 5 }, labels: { a: "b" } },
            { digest: "sha256:cd", size: 7n, updatedAt: { seconds: 1n, nanos: 0 } },
          ],
        }),
      ).finish(),
    ],
    run: (input) => blobLists.methods.list.responseType.decode(input),
    refusals: [RangeError],
  },
];
