import * as pulumi from "@pulumi/pulumi";
import { bootstrapUserData as textOf } from "../core/host/install/user-data.ts";

/** One-time keys that a server is created with. The private half is worthless after the installation. */
export interface BootstrapKeysArgs {
  /** The temporary host key, as the text of an OpenSSH private key file. */
  hostPrivateKey: pulumi.Input<string>;
  /** One OpenSSH public key line. */
  hostPublicKey: pulumi.Input<string>;
  /** One OpenSSH public key line: may log in as root until NixOS is installed. */
  clientPublicKey: pulumi.Input<string>;
}

/**
 * The cloud-init text that authenticates the first connection to a server, for a server of your own that {@link NixosInstall}
 * installs. Set it as `userData`, and list that in `ignoreChanges`: the keys are replaced after the installation, and a different
 * user_data would replace the server.
 * @returns a secret, because Hetzner gives user_data to any process on the server, and the engine keeps it in the state
 */
export function bootstrapUserData(keys: BootstrapKeysArgs): pulumi.Output<string> {
  return pulumi.secret(
    pulumi
      .all([keys.hostPrivateKey, keys.hostPublicKey, keys.clientPublicKey])
      .apply(([hostPrivateKey, hostPublicKey, clientPublicKey]) =>
        textOf({ hostPrivateKey, hostPublicKey, clientPublicKey }),
      ),
  );
}
