/** What a running host is sent; ciphertext only. */
export interface SecretsDelivery {
  /** The text of each sops file by secret name: the whole set the host is to have. */
  files: Readonly<Record<string, string>>;
  /** A new age identity file, encrypted (armored age) to the recipient the host has. */
  identity?: string;
}

/** What the host says it has afterwards. */
export interface DeliveryReport {
  /** False when everything was there already and nothing on the host was touched. */
  changed: boolean;
  /** Public half of the identity the host decrypts with. */
  recipient: string;
  /** SHA-256 of each sops file by secret name, in hex. */
  files: Record<string, string>;
}

/** Brings secrets to one running host, whole or not at all. @throws UserError with what the host said */
export type Deliver = (delivery: SecretsDelivery) => Promise<DeliveryReport>;
