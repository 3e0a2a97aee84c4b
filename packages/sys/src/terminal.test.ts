import { expect, test } from "bun:test";
import { join } from "node:path";
import { findTerminal, getTerminalSize } from "./terminal.ts";

/** Runs a program that imports the module, on a terminal of its own; resolves with all it showed. */
async function onTerminal(code: string, answer = ""): Promise<string> {
  const module = join(import.meta.dir, "terminal.ts");
  const shown: Uint8Array[] = [];
  const child = Bun.spawn([process.execPath, "-e", `import * as sys from ${JSON.stringify(module)};\n${code}`], {
    terminal: {
      cols: 97,
      rows: 31,
      data(terminal, chunk) {
        shown.push(chunk);
        if (answer !== "" && Buffer.concat(shown).includes("ready")) {
          terminal.write(answer);
          answer = "";
        }
      },
    },
  });
  await child.exited;
  return Buffer.concat(shown).toString();
}

test("getTerminalSize() tells width and height apart", async () => {
  expect(await onTerminal("console.log(JSON.stringify(sys.getTerminalSize(2)))")).toContain('{"height":31,"width":97}');
});

test("openRawTerminal() hands over control characters, and gives the terminal back as it was", async () => {
  const shown = await onTerminal(
    `const stty = () => new TextDecoder().decode(Bun.spawnSync(["stty", "-a"], { stdin: "inherit" }).stdout);
     const before = stty();
     const raw = sys.openRawTerminal(0);
     const during = stty();
     process.stdout.write("ready");
     const bytes = Buffer.alloc(3);
     let got = 0;
     while (got < 3) got += require("node:fs").readSync(0, bytes, got, 3 - got);
     raw[Symbol.dispose](); raw[Symbol.dispose]();
     console.log(JSON.stringify({ hex: bytes.toString("hex"), same: before === stty(), raw: /-icanon/.test(during) && /-isig/.test(during) && /-echo /.test(during) && /-opost/.test(during) }));`,
    "\u0003\r\u0004",
  );
  expect(shown).toContain('{"hex":"030d04","same":true,"raw":true}');
});

test("where there is no terminal none is found, and asking for its size is an error", () => {
  expect(findTerminal([])).toBeUndefined();
  const { openSync, closeSync } = process.getBuiltinModule("node:fs");
  const fd = openSync("/dev/null", "r");
  expect(findTerminal([fd])).toBeUndefined();
  expect(() => getTerminalSize(fd)).toThrow(/inappropriate ioctl/);
  closeSync(fd);
});
