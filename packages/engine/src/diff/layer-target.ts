/** Where a layer's members go. */
export interface LayerTarget {
  /** The directory that is the tree's root; trusted, unlike what is in it. */
  readonly dir: string;
  /**
   * What a whiteout becomes: `delete` takes away what is there; `overlay` makes what overlayfs understands, for a
   * directory that is to be an upper or lower one.
   */
  readonly whiteouts: "overlay" | "delete";
  /**
   * Lower directories of an overlay, the topmost first: directories that the layer only implies get their attributes
   * there, and hard links may point there. Left out when they are not known yet: see `completeImplied`.
   */
  readonly lower?: readonly string[];
  /** False without privilege: owners, devices and attributes that need it are left out. */
  readonly privileged: boolean;
}
