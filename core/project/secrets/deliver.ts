/** Secrets for a running host; ciphertext only. */
export interface SecretsDelivery {
  /** The text of each sops file by secret name: the complete set that the host should have. */
  files: Readonly<Record<string, string>>;
  /** A new age identity file, encrypted (armored age) to the host's current recipient. */
  identity?: string;
}

/** What the host reports afterwards. */
export interface DeliveryReport {
  /** False if the host already had everything and nothing was changed. */
  changed: boolean;
  /** Public half of the identity the host decrypts with. */
  recipient: string;
  /** SHA-256 of each sops file by secret name, in hex. */
  files: Record<string, string>;
}

/** Sends secrets to a running host, all or nothing. @throws UserError with the host's error message */
export type Deliver = (delivery: SecretsDelivery) => Promise<DeliveryReport>;
