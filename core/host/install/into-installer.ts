import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import type { Installation } from "../request.ts";
import { logInAsRoot, lookBefore } from "./first-contact.ts";

/** Times kexec is tried: on Hetzner it sometimes boots the old system again (nix-community/nixos-images#342). */
const kexecTries = 3;

/**
 * Runs `kexec` until the installer is up, a few times where the server runs its image still or again.
 * @throws UserError when it does not come up: kexec's own failure, where it had one
 */
export async function intoInstaller(installation: Installation, kexec: () => Promise<void>): Promise<void> {
  let before = await lookBefore(installation);
  for (let tried = 1; ; tried++) {
    let failure: unknown;
    try {
      await kexec();
    } catch (error) {
      if (!isFailedKexec(error)) throw error;
      failure = error;
    }
    await logInAsRoot(installation);
    const now = await lookBefore(installation);
    if (now.runs !== "image") return;
    if (tried === kexecTries) throw failure ?? stillTheImage(installation);
    const { image } = installation.settings;
    const what =
      now.bootId === before.bootId
        ? `kexec failed, and the server never left ${image}`
        : `the server booted ${image} again`;
    installation.report("kexec", `${what}; trying again, ${tried} of ${kexecTries} done`);
    before = now;
  }
}

const isFailedKexec = (error: unknown) =>
  error instanceof UserError && "kind" in error && error.kind === "kexec-failed";

function stillTheImage({ settings }: Installation): UserError {
  return new UserError(
    {
      subject: settings.host,
      problem: `after ${kexecTries} tries the server still runs ${settings.image}, not the NixOS installer. Its console shows what kexec said; a server type with more memory helps where that was short.`,
      fix: `Then: clawdlets up --host ${settings.host}`,
    },
    { exitCode: exitCodes.install },
  );
}
