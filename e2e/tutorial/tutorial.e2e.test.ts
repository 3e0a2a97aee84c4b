import { ourCtr } from "../support/binaries.ts";
import { engineKind, startEngine } from "../support/engine.ts";
import { describeTutorial } from "./walk.ts";

/** The tutorial with our ctr, on the engine that the run is for. */
describeTutorial({ tool: ourCtr, startEngine, transfers: engineKind() !== "containerd" });
