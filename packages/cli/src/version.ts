/** Version of this program. */
export const VERSION = "0.1.0";
/** What `--version` and the User-Agent name beside it: the line of containerd whose command line this is. */
export const PACKAGE = "github.com/containerd/containerd/v2";
