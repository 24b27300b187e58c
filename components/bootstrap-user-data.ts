import * as pulumi from "@pulumi/pulumi";
import { bootstrapUserData as textOf } from "../core/host/install/user-data.ts";

/** The one-time keys a server is born with. The private half is worthless once the installation is over. */
export interface BootstrapKeysArgs {
  /** OpenSSH private key file, of the temporary host key. */
  hostPrivateKey: pulumi.Input<string>;
  /** One OpenSSH public key line. */
  hostPublicKey: pulumi.Input<string>;
  /** One OpenSSH public key line: who may log in as root until NixOS is there. */
  clientPublicKey: pulumi.Input<string>;
}

/**
 * The cloud-init text that makes the first connection to a server authenticated, for a server of your own that
 * {@link NixosInstall} is to go to. Give it as `userData`, and list that in `ignoreChanges`: the keys are replaced after the
 * installation, and another user_data would replace the server.
 * @returns a secret: Hetzner hands user_data to any process on the server, the engine keeps it in the state
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
