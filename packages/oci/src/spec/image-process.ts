import { imageDirectory } from "./directory.ts";
import { defaultEnv, mergeEnv } from "./env.ts";
import { type SpecOption, withProcess } from "./option.ts";
import { withAdditionalGids, withUser } from "./user.ts";

/** What an image's configuration says about its process. Image-spec, config.md. */
export interface ImageProcess {
  readonly env?: readonly string[] | undefined;
  readonly entrypoint?: readonly string[] | undefined;
  readonly cmd?: readonly string[] | undefined;
  readonly workingDir?: string | undefined;
  readonly user?: string | undefined;
}

/** Environment, arguments, directory and user of the image; `--env` given before lies over its environment. */
export function withImageProcess(image: ImageProcess): SpecOption {
  return (spec, context) => {
    const env = image.env?.length ? image.env : defaultEnv;
    const filled = withProcess(spec, {
      env: mergeEnv(env, spec.process?.env ?? []),
      args: [...(image.entrypoint ?? []), ...(image.cmd ?? [])],
      cwd: imageDirectory(image.workingDir ?? ""),
    });
    return image.user ? withUser(image.user)(filled, context) : withAdditionalGids("root")(filled, context);
  };
}
