/** Label of a finished snapshot; its value is the host whose system it holds. Nothing else sets it. */
export const imageLabel = "clawdlets-image";
/** Label with the commit that the snapshot's system was built from; missing for a flake outside git. */
export const revisionLabel = "clawdlets-revision";
/** Label of everything that a bake buys, and of its snapshot until that is finished; its value is the host. */
export const bakingLabel = "clawdlets-baking";
