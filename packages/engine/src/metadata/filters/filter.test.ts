import { expect, test } from "bun:test";
import { ABSENT, type FieldReader, mapField, parseFilters, textField } from "./filter.ts";

const labels = { "a.b": "1", "containerd.io/gc.root": "now", empty: "" };

const image: FieldReader = ([field, ...rest]) => {
  if (field === "name") return textField("docker.io/library/busybox:1.36");
  if (field === "labels") return mapField(labels, rest);
  return ABSENT;
};

test.each<[string, readonly string[], boolean]>([
  ["no filter passes everything", [], true],
  ["an empty filter passes everything", [""], true],
  ["an empty filter beside one that does not pass", ["nope", ""], true],
  ["a bare path asks for presence", ["name"], true],
  ["a bare path of an absent field", ["size"], false],
  ["a value with / and : needs no quotes", ["name==docker.io/library/busybox:1.36"], true],
  ["a value may hold = and !", ["name==a=b!c"], false],
  ["a quoted value", ['name=="docker.io/library/busybox:1.36"'], true],
  ["escapes in a quoted value", ['name=="docker.io\\x2flibrary/busybox\\u003a1.36"'], true],
  ["a label by dotted path", ["labels.a.b==1"], true],
  ["a label by quoted path", ['labels."a.b"==1'], true],
  ["a label with a slash", ['labels."containerd.io/gc.root"'], true],
  ["a label that is there and empty", ["labels.empty"], true],
  ["absent differs from any text", ["labels.nope!=2"], true],
  ["absent does not differ from nothing", ['labels.nope!=""'], false],
  ["absent equals nothing", ['labels.nope==""'], false],
  ["a pattern between pipes", ["name~=|^docker,?|"], true],
  ["a pattern between slashes", ["name~=/busybox/"], true],
  ["a pattern between double quotes", ['name~="box:[0-9]+"'], true],
  ["a pattern without quotes", ["name~=box"], true],
  ["a pattern that is none", ["name~=|(|"], false],
  ["an absent field is nothing to a pattern", ["labels.nope~=|^$|"], true],
  ["all conditions of a filter", ["name,labels.nope"], false],
  ["any of two filters", ["labels.nope", "name"], true],
  ["space before tokens", [" name== docker.io/library/busybox:1.36, labels.a.b"], true],
  ["single quotes are part of a value", ["labels.a.b=='1'"], false],
  ["an inherited property is no label", ["labels.toString"], false],
])("parseFilters(): %s", (_what, filters, passes) => {
  expect(parseFilters(filters)(image)).toBe(passes);
});

test.each([
  ["name=x", '[name >|=|< x]: unsupported operator "="'],
  ["name===x", '[name >|=|< ==x]: unsupported operator "==="'],
  ["topic==/tasks/exit", "[topic== >|/|< tasks/exit]: invalid quote encountered"],
  ["topic==.x", "[topic== >|.|< x]: expected value or quoted"],
  ["name==", "[name==]: expected value or quoted"],
  ["name ", '[name ]: expected an operator ("=="|"!="|"~=")'],
  ["name==x ", "[name==x >| |< ]: unexpected input:  "],
  [",name", "[ >|,|< name]: expected field or quoted"],
  ["name,", "[name,]: expected field or quoted"],
  ['name=="x', '[name== >|"|< x]: quoted literal not terminated'],
  ['name=="\\d"', '[name== >|"|< \\d"]: illegal escape sequence'],
  ['name=="\\xg0"', '[name== >|"|< \\xg0"]: illegal numeric escape sequence'],
])("parseFilters() rejects %s", (text, why) => {
  expect(() => parseFilters([text])).toThrow(
    expect.objectContaining({ code: "invalid_argument", message: `filters: parse error: ${why}` }),
  );
});
