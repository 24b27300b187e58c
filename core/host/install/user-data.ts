import { stringify } from "yaml";

/** Keys that live from the server's creation to the end of its installation, and are worthless afterwards. */
export interface BootstrapKeys {
  /** OpenSSH private key file text of the temporary host key. */
  hostPrivateKey: string;
  hostPublicKey: string;
  /** Who may log in as root until NixOS is there. */
  clientPublicKey: string;
}

/**
 * The cloud-init text a server is created with. It makes the first connection authenticated: the server answers with a key
 * that was made here before it existed.
 *
 * Any process on the server can read user_data from the metadata service for the server's whole life (shared fact: no header
 * or token needed), so nothing that outlives the installation may stand in it.
 * With `ssh_keys` cloud-init generates no others, so `ssh_genkeytypes` is not needed; an empty list of it is invalid.
 * @see cloud-init, module ssh: `ssh_keys`, `ssh_deletekeys`, `disable_root`
 */
export function bootstrapUserData({ hostPrivateKey, hostPublicKey, clientPublicKey }: BootstrapKeys): string {
  const config = {
    ssh_deletekeys: true,
    ssh_keys: { ed25519_private: hostPrivateKey, ed25519_public: hostPublicKey },
    disable_root: false,
    ssh_pwauth: false,
    // Root as well as the image's default user: the key that Hetzner installs by itself may be an older one
    // when only the server was made anew.
    ssh_authorized_keys: [clientPublicKey],
  };
  return `#cloud-config\n${stringify(config, { lineWidth: 0 })}`;
}
