import bash from "./ctr.bash" with { type: "text" };
import fish from "./ctr.fish" with { type: "text" };
import zsh from "./ctr.zsh" with { type: "text" };

/**
 * What `ctr completion` prints, by shell. Each asks `ctr __complete` for candidates and says nothing of its own. bash
 * takes `:` and `=` for ends of words, and image names are full of them: that script splits the line anew and takes off
 * the candidates what stands before the last of these. It does not use `compgen -W`, which would expand the candidates.
 */
export const scripts: Readonly<Record<string, string>> = { bash, zsh, fish };
