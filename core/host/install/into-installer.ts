import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import type { Installation } from "../request.ts";
import { logInAsRoot, lookBefore } from "./first-contact.ts";

/** Attempts at kexec: on Hetzner it sometimes boots the old system again (nix-community/nixos-images#342). */
const kexecTries = 3;

/**
 * Runs `kexec` until the installer is up. Retries if the server still runs its image, or booted it again.
 * @throws UserError if the installer does not start: kexec's own error, if there was one
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
    installation.report("kexec", `${what}; trying again after ${tried} of ${kexecTries} attempts`);
    before = now;
  }
}

const isFailedKexec = (error: unknown) =>
  error instanceof UserError && "kind" in error && error.kind === "kexec-failed";

function stillTheImage({ settings }: Installation): UserError {
  return new UserError(
    {
      subject: settings.host,
      problem: `after ${kexecTries} attempts the server still runs ${settings.image}, not the NixOS installer. Its console shows the output of kexec; if memory ran out, choose a server type with more.`,
      fix: `Then run: clawdlets up --host ${settings.host}`,
    },
    { exitCode: exitCodes.install },
  );
}
