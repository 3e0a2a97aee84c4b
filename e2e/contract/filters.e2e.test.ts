import { beforeAll, expect, test } from "bun:test";
import { ContainerdError } from "@ctr/api";
import type { CallOptions } from "@ctr/rpc";
import { type Clients, clientsOf, describeContract, inNamespace } from "./subjects.ts";

const spec = { typeUrl: "spec", value: new Uint8Array() };
const containers = [
  { id: "one", image: "docker.io/library/a:1", labels: { "a.b": "1", "x/y": "é", n: "line\nbreak", q: 'say "hi"' } },
  { id: "two", image: "a=b!c", labels: { "a.b": "2", under_score: "x,y", digits: "2024" } },
  { id: "three", image: "", labels: {} },
];

/** Filters, and the containers they let through or the message they are refused with: what containerd 1.6 answers. */
const table: readonly (readonly [filters: readonly string[], expected: string])[] = [
  [[], "one two three"],
  [[""], "one two three"],
  [["id==one"], "one"],
  [["id==one", "id==two"], "one two"],
  [["image"], "one two"],
  [["image==docker.io/library/a:1"], "one"],
  [["image==a=b!c"], "two"],
  [['image==""'], ""],
  [["image!=a"], "one two three"],
  [['image!=""'], "one two"],
  [["labels.a.b"], "one two"],
  [['labels."a.b"==1'], "one"],
  [["labels.a.b!=1"], "two three"],
  [['labels."x/y"==é'], "one"],
  [['labels."x/y"=="\\u00e9"'], "one"],
  [['labels."x/y"=="\\xc3\\xa9"'], "one"],
  [['labels."x/y"=="\\303\\251"'], "one"],
  [['labels.n=="line\\nbreak"'], "one"],
  [['labels.q=="say \\"hi\\""'], "one"],
  [["labels.under_score~=|x,y|"], "two"],
  [["labels.under_score==x,labels.y"], ""],
  [["labels.digits~=|^[0-9]{4}$|"], "two"],
  [["labels.digits~=|^\\\\d{4}$|"], "two"],
  [["labels.digits~=/^2024/"], "two"],
  [["labels.digits~=2.*4"], "two"],
  [['labels.digits~="(?i)2024"'], "two"],
  [["labels.nope~=|^$|"], "one two three"],
  [["id~=|(|"], ""],
  [["id~=|(?=o)|"], ""],
  [["id~=|t..$|"], "two"],
  [["labels"], ""],
  [["nope"], ""],
  [["nope!=x"], "one two three"],
  [["id.more==one"], "one"],
  [["id== one"], "one"],
  [[" id==one"], "one"],
  [["id==one, image"], "one"],
  [["runtime"], ""],
  [["runtime.name"], "one two three"],
  [["id=='one'"], ""],
  [["id=one"], '! [id >|=|< one]: unsupported operator "="'],
  [["id===one"], '! [id >|=|< ==one]: unsupported operator "==="'],
  [["id ==one"], "one"],
  [["id==one "], "! [id==one >| |< ]: unexpected input:  "],
  [["id==one ,image"], "! [id==one >| |< ,image]: unexpected input:  "],
  [["id=="], "! [id==]: expected value or quoted"],
  [["id==/one"], "! [id== >|/|< one]: quoted literal not terminated"],
  [["id==/one/"], "! [id== >|/|< one/]: invalid quote encountered"],
  [["id==.one"], "! [id== >|.|< one]: expected value or quoted"],
  [["id==,"], "! [id== >|,|< ]: expected value or quoted"],
  [["id==" + '"one'], '! [id== >|"|< one]: quoted literal not terminated'],
  [['id=="\\d"'], '! [id== >|"|< \\d"]: illegal escape sequence'],
  [['id=="\\xg0"'], '! [id== >|"|< \\xg0"]: illegal numeric escape sequence'],
  [["id,"], "! [id,]: expected field or quoted"],
  [[",id"], "! [ >|,|< id]: expected field or quoted"],
  [["id."], "! [id.]: expected field or quoted"],
  [["labels.a-b"], '! [labels.a >|-|< b]: expected an operator ("=="|"!="|"~=")'],
  [["id~one"], '! [id >|~|< one]: unsupported operator "~"'],
];

describeContract("filters", (stage) => {
  let clients: Clients;
  let options: CallOptions;

  beforeAll(async () => {
    clients = await clientsOf(stage.channel);
    options = inNamespace(stage.newNamespace());
    for (const container of containers) {
      await clients.containers.create({ container: { ...container, runtime: { name: "r" }, spec } }, options);
    }
  });

  test.each(table)("%j", async (filters, expected) => {
    expect(await answer(clients, filters, options)).toBe(expected);
  });
});

async function answer(clients: Clients, filters: readonly string[], options: CallOptions): Promise<string> {
  try {
    const { containers: found } = await clients.containers.list({ filters }, options);
    return containers
      .filter(({ id }) => found.some((container) => container.id === id))
      .map(({ id }) => id)
      .join(" ");
  } catch (error) {
    if (!(error instanceof ContainerdError) || error.code !== "invalid_argument") throw error;
    const [, why] = /^filters: parse error: (.*?)(?:: invalid argument)+$/s.exec(error.message) ?? [];
    return why === undefined ? `! ${error.message}` : `! ${why}`;
  }
}
