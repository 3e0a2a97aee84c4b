/**
 * Peak resident bytes of a process until it ends, as the kernel last told it: rusage would count those of us, whom it
 * was forked from.
 */
export async function peakOf(child: { readonly pid: number; readonly exitCode: number | null }): Promise<number> {
  let peak = 0;
  while (child.exitCode === null) {
    // It may end between the two looks.
    const status = await Bun.file(`/proc/${child.pid}/status`)
      .text()
      .catch(() => "");
    peak = Math.max(peak, Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024);
  }
  return peak;
}
