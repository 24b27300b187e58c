/** What the package's declarations need of a change of type; apart from what knows Hetzner's own types, which are not published. */

/** Said where Hetzner is not asked, too. */
export const powerCut = (from: string, to: string) =>
  `the server's POWER IS CUT to change it from ${from} to ${to}; it starts again afterwards.`;

/** A change of the type of a server that exists, before it is made. */
export interface Resize {
  /** Hetzner's server id. */
  serverId: number;
  /** e.g. `cx43` */
  from: string;
  /** e.g. `cx53` */
  to: string;
}

/** What may be asked about a server whose power is about to be cut. */
export interface ResizeGuard {
  /** Throws to stop it before power is cut, in a preview too. @returns what it does to the server, a sentence each */
  before: (resize: Resize) => Promise<string[]>;
  /** After Hetzner or the provider has failed to update the server: switches it on again. @returns what was done */
  failed: (serverId: number) => Promise<string | undefined>;
}
