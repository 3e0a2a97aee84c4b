import { callLibc, ErrnoError, hasLibc } from "./libc.ts";

/** Characters across and down. */
export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

/** A terminal in raw mode: what is typed goes through byte by byte. Disposing gives it back as it was; twice is harmless. */
export interface RawTerminal extends Disposable {
  readonly fd: number;
  size(): TerminalSize;
}

/** struct termios of x86-64 and arm64 has 60 bytes in glibc and in musl; the rest is room to spare. */
const TERMIOS_BYTES = 128;
const TIOCGWINSZ = 0x5413;
/** tcsetattr: when everything written has gone out. */
const TCSADRAIN = 1;

/** Offsets of the flag words, and of VTIME and VMIN among the control characters. */
const AT = { input: 0, output: 4, control: 8, local: 12, vtime: 17 + 5, vmin: 17 + 6 } as const;

/** The flags cfmakeraw(3) clears, and the one it sets. */
const RAW = {
  // IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON
  input: 0o1 | 0o2 | 0o10 | 0o40 | 0o100 | 0o200 | 0o400 | 0o2000,
  // OPOST
  output: 0o1,
  // CSIZE PARENB
  control: 0o60 | 0o400,
  // ECHO ECHONL ICANON ISIG IEXTEN
  local: 0o10 | 0o100 | 0o2 | 0o1 | 0o100000,
  CS8: 0o60,
} as const;

/** The first of `fds` that is a terminal. */
export function findTerminal(fds: readonly number[] = [2, 1, 0]): number | undefined {
  const { isatty } = process.getBuiltinModule("node:tty");
  return fds.find((fd) => isatty(fd));
}

/** The size of the terminal behind `fd`. Throws `ErrnoError` where it is none. */
export function getTerminalSize(fd: number): TerminalSize {
  if (!hasLibc()) return sizeByNode(fd);
  const window = new DataView(new ArrayBuffer(8));
  callLibc("ioctl", [fd, TIOCGWINSZ, new Uint8Array(window.buffer)], `TIOCGWINSZ ${fd}`);
  return { height: window.getUint16(0, true), width: window.getUint16(2, true) };
}

/** Sets the terminal behind `fd` raw. Whoever holds it sees to disposing also when the program ends early. */
export function openRawTerminal(fd: number): RawTerminal {
  const restore = hasLibc() ? setRawByLibc(fd) : setRawByNode(fd);
  let raw = true;
  return {
    fd,
    size: () => getTerminalSize(fd),
    [Symbol.dispose]() {
      if (raw) restore();
      raw = false;
    },
  };
}

function setRawByLibc(fd: number): () => void {
  const before = new Uint8Array(TERMIOS_BYTES);
  callLibc("tcgetattr", [fd, before], `${fd}`);
  callLibc("tcsetattr", [fd, TCSADRAIN, rawTermios(before)], `${fd}`);
  return () => void callLibc("tcsetattr", [fd, TCSADRAIN, before], `${fd}`);
}

/** What cfmakeraw(3) makes of `before`. */
function rawTermios(before: Uint8Array): Uint8Array {
  const after = before.slice();
  const view = new DataView(after.buffer);
  const clear = (at: number, flags: number) => view.setUint32(at, view.getUint32(at, true) & ~flags, true);
  clear(AT.input, RAW.input);
  clear(AT.output, RAW.output);
  clear(AT.control, RAW.control);
  clear(AT.local, RAW.local);
  view.setUint32(AT.control, view.getUint32(AT.control, true) | RAW.CS8, true);
  after[AT.vmin] = 1;
  after[AT.vtime] = 0;
  return after;
}

/** Node can set raw what it reads from. */
function setRawByNode(fd: number): () => void {
  const stream = process.stdin.isTTY && fd <= 2 ? process.stdin : undefined;
  if (stream === undefined) throw new ErrnoError("tcsetattr", 25, `${fd}`);
  stream.setRawMode(true);
  return () => void stream.setRawMode(false);
}

function sizeByNode(fd: number): TerminalSize {
  const { WriteStream, isatty } = process.getBuiltinModule("node:tty");
  if (!isatty(fd)) throw new ErrnoError("ioctl", 25, `TIOCGWINSZ ${fd}`);
  const known = [process.stdout, process.stderr].find((stream) => stream.fd === fd);
  const [width, height] = (known ?? new WriteStream(fd)).getWindowSize();
  return { width, height };
}
