import type { Layout } from "../../project/layout.ts";
import type { HostSettings, LocalSettings } from "../../project/settings/host.ts";
import type { Tried } from "./leave.ts";

export interface Rekey {
  layout: Layout;
  settings: HostSettings;
  local: LocalSettings;
  /** Key to join with. @default one that is minted for this and revoked afterwards */
  authKey?: string | undefined;
  /** Seconds from the order until the host rolls back to its old device unless the new one is confirmed; 30 to 3600. */
  deadlineSeconds: number;
  signal: AbortSignal;
  report: (text: string, limitSeconds?: number) => void;
}

/** What a host is in its tailnet after a rekey. */
export interface Rekeyed {
  host: string;
  /** As the control server names it; undefined if neither its API nor this machine's client lists it. */
  device?: { id: string; nodeKey: string; name: string };
  /** The new device's address that answered with the pinned host key. */
  address: string;
  /** Old devices and used keys that were to be deleted, and what came of it. */
  tried: Tried[];
}
