import { UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import { publicKeyOf } from "../local/ssh-keys.ts";
import { bootstrapRoute } from "./bootstrap-keys.ts";
import { waitUntil } from "./deadline.ts";
import { type Answer, askHostKey } from "./host-key.ts";
import type { Installation } from "./request.ts";
import { ssh } from "./ssh.ts";

/** A Hetzner server boots in well under a minute; cloud-init on a busy one takes longer. Seconds. */
const limit = 300;

/**
 * Waits for an ssh server that shows a key we made, and logs in under it when it is the one-time key.
 * @returns which key it was
 * @throws UserError on any other key: before anything was sent
 */
export async function firstContact(installation: Installation): Promise<"bootstrap" | "final"> {
  const { settings, local, facts, host, signal } = installation;
  const known = { bootstrap: publicKeyOf(host.bootstrapHostKey), final: settings.sshHostKey };
  const target = { address: facts.address, port: local.sshPort };
  const answer = await waitUntil<Answer>(
    async () => {
      const seen = await askHostKey(target, known, signal);
      return seen.kind === "none" ? undefined : seen;
    },
    {
      seconds: limit,
      pauseMs: 300,
      waitedFor: `${settings.host}: no SSH on ${target.address}:${target.port}`,
      advice: `Is your address still within ${local.adminCidrs.join(", ")} (hosts.${settings.host}.opentofu.adminCidr in .clawdlets/stack.json)? The server's console shows whether it booted.`,
      signal,
    },
  );
  if (answer.kind === "other") throw unknownKey(installation, answer.fingerprint);
  if (answer.kind === "final") return "final";
  await logInAsRoot(installation);
  return "bootstrap";
}

/** Waits for a session as root under the one-time keys. */
export async function logInAsRoot({ settings, facts, local, host, signal }: Installation): Promise<void> {
  const route = await bootstrapRoute(host, settings.host, { address: facts.address, port: local.sshPort });
  await waitUntil(
    async () => ((await ssh(route, "true", { timeoutSeconds: 20, signal })).exitCode === 0 ? true : undefined),
    {
      seconds: limit,
      pauseMs: 500,
      waitedFor: `${settings.host}: no login as root with the one-time key`,
      advice: "cloud-init may have failed: the server's console shows its log.",
      signal,
    },
  );
}

function unknownKey({ settings, facts, local }: Installation, fingerprint: string): UserError {
  return new UserError(
    `${settings.host}: ${facts.address}:${local.sshPort} answers with the host key ${fingerprint}, which is none that was made for it. Nothing was sent. Somebody may be in between, or the server was made without this project's user_data: compare with the server's console; to start over, delete the server there and run clawdlets up again.`,
    { exitCode: exitCodes.install },
  );
}
