import { goCtr } from "../support/binaries.ts";
import { startServe } from "../support/engine.ts";
import { describeTutorial } from "../tutorial/walk.ts";

/** The tutorial with Debian's Go ctr, on `ctr serve`. */
describeTutorial({
  tool: goCtr,
  startEngine: async () => {
    const daemon = await startServe();
    return Object.assign(daemon, { ourAddress: daemon.address });
  },
  exportsAllOnly: true,
  // Its progress display, when what it shows is over between two of its looks.
  noise: /^time="[^"]*" level=error msg="[^"]*" error="context canceled"\n/gm,
  editsInPlace: true,
  // It listens for the signal only after it has set the size for the first time.
  losesEarlyResize: true,
});
