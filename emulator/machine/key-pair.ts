import ssh2 from "ssh2";

/** An ed25519 pair, both halves in OpenSSH's form. */
export interface KeyPair {
  private: string;
  public: string;
}

/**
 * Of ssh2 1.17.0's pairs about one in 330 is malformed, which it says itself when it reads it (60 of 20,000, Node 20): another
 * is made then.
 */
export function newKeyPair(make: () => KeyPair = () => ssh2.utils.generateKeyPairSync("ed25519")): KeyPair {
  for (let tries = 0; tries < 10; tries++) {
    const pair = make();
    if ([pair.private, pair.public].every((half) => !(ssh2.utils.parseKey(half) instanceof Error))) return pair;
  }
  throw new Error("ssh2 made ten keys that it cannot read");
}
