/** The part of a type change that the package's declarations need. Separate, because Hetzner's API types are not published. */

/** Also shown when Hetzner is not asked. */
export const powerCut = (from: string, to: string) =>
  `the server's POWER IS CUT to change it from ${from} to ${to}; it starts again afterwards.`;

/** A planned type change of an existing server. */
export interface Resize {
  /** Hetzner's server id. */
  serverId: number;
  /** e.g. `cx43` */
  from: string;
  /** e.g. `cx53` */
  to: string;
}

/** Called around a type change, which cuts the server's power. */
export interface ResizeGuard {
  /** Throws to stop the change before the power is cut, also in a preview. @returns its effects on the server, a sentence each */
  before: (resize: Resize) => Promise<string[]>;
  /** Switches the server on again after Hetzner or the provider failed to update it. @returns what was done */
  failed: (serverId: number) => Promise<string | undefined>;
}
