import type { TailnetService } from "./errors.ts";

/** What lets us use the API of a tailnet. Only ever sent to `endpoint`: never part of errors, logs or command lines. */
export type TailnetCredentials =
  | { service: "Tailscale"; endpoint: string; clientId: string; clientSecret: string }
  | { service: "headscale"; endpoint: string; apiKey: string };

/** An auth key as it was made. `key` is its value, which is shown only once. */
export interface MintedKey {
  id: string;
  key: string;
  /** ISO 8601. */
  expires: string;
}

/** A machine in the tailnet, as the control server knows it. */
export interface TailnetDevice {
  id: string;
  nodeKey: string;
  /** First label of its name in DNS: unique in the tailnet. */
  name: string;
  addresses: string[];
  tags: string[];
  /** Undefined if its key does not expire. */
  expires?: string;
}

/** What clawdlets needs of a tailnet's API: the same for Tailscale and headscale. */
export interface TailnetApi {
  readonly service: TailnetService;
  /** Requests sent so far, without those that were sent again. */
  readonly sent: number;
  /**
   * Checks the credentials. @param tags if given, also that keys with these tags can be minted: for Tailscale by minting one for a
   * minute and revoking it, because nothing else tells
   */
  check: (tags?: readonly string[]) => Promise<void>;
  /** Makes an auth key for one machine: one-off, tagged, pre-authorised, not ephemeral. */
  mint: (request: { host: string; tags: readonly string[]; seconds: number }) => Promise<MintedKey>;
  /** False if the key has been used, has expired, was revoked or is unknown. */
  isUsable: (keyId: string) => Promise<boolean>;
  /** Makes a key unusable; one that is unknown already is. */
  revoke: (keyId: string) => Promise<void>;
  devices: () => Promise<TailnetDevice[]>;
  /** @returns undefined if there is no such device */
  device: (id: string) => Promise<TailnetDevice | undefined>;
  remove: (id: string) => Promise<void>;
  rename: (id: string, name: string) => Promise<void>;
}
