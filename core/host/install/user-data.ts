import { stringify } from "yaml";

/** Keys that are valid from the server's creation to the end of its installation, and useless afterwards. */
export interface BootstrapKeys {
  /** OpenSSH private key file text of the temporary host key. */
  hostPrivateKey: string;
  hostPublicKey: string;
  /** Key that may log in as root until NixOS is installed. */
  clientPublicKey: string;
}

/**
 * The cloud-init user_data of a new server. It authenticates the first connection: the server has a host key that was created
 * here before the server existed.
 *
 * Any process on the server can read user_data from the metadata service as long as the server exists (no header or token
 * needed), so it must not contain anything that stays valid after the installation.
 * With `ssh_keys` cloud-init generates no others, so `ssh_genkeytypes` is not needed; an empty list of it is invalid.
 * @see cloud-init, module ssh: `ssh_keys`, `ssh_deletekeys`, `disable_root`
 */
export function bootstrapUserData({ hostPrivateKey, hostPublicKey, clientPublicKey }: BootstrapKeys): string {
  const config = {
    ssh_deletekeys: true,
    ssh_keys: { ed25519_private: hostPrivateKey, ed25519_public: hostPublicKey },
    disable_root: false,
    ssh_pwauth: false,
    // For root, and for the image's default user. The key that Hetzner installs on its own may be an older one if only
    // the server was recreated.
    ssh_authorized_keys: [clientPublicKey],
  };
  return `#cloud-config\n${stringify(config, { lineWidth: 0 })}`;
}
