import { createHash } from "node:crypto";
import { packTar } from "modern-tar";
import { z } from "zod";
import { UserError } from "../../base/errors.ts";
import { parseJson } from "../../base/text/json.ts";
import type { Deliver, DeliveryReport, SecretsDelivery } from "../../project/secrets/deliver.ts";
import { type SshRoute, ssh } from "../reach/ssh.ts";

/** What the NixOS module puts on the host; its whole command line, so that sudo can allow just this. */
export const receiveCommand = "sudo -n /run/current-system/sw/bin/clawdlets-receive-secrets";

/** Seconds. The host decrypts each file once before it takes any. */
const limitSeconds = 180;

const report = z.object({
  ok: z.literal(true),
  changed: z.boolean(),
  recipient: z.string(),
  files: z.record(z.string(), z.string()),
});

/** Sends secrets over an authenticated session, as one tar on standard input; the host takes all of it or nothing. */
export function deliverOver(route: SshRoute, host: string, signal: AbortSignal): Deliver {
  return async (delivery) => {
    const { exitCode, stdout, stderr } = await ssh(route, receiveCommand, {
      input: await tarOf(delivery),
      timeoutSeconds: limitSeconds,
      signal,
    });
    if (exitCode !== 0) throw refusal(host, exitCode, stderr);
    return checkReport(host, delivery, stdout);
  };
}

async function tarOf({ files, identity }: SecretsDelivery): Promise<Buffer> {
  const entries: (readonly [string, string])[] = Object.entries(files).map(([name, body]) => [`${name}.yaml`, body]);
  if (identity !== undefined) entries.push(["identity.age", identity]);
  const tar = entries.map(([name, body]) => {
    return { header: { name, size: Buffer.byteLength(body), mode: 0o400, type: "file" as const }, body };
  });
  return Buffer.from(await packTar(tar));
}

/** What the host has is what was sent, by its own word. */
function checkReport(host: string, { files }: SecretsDelivery, stdout: string): DeliveryReport {
  const parsed = report.safeParse(parseJson(stdout));
  if (!parsed.success) {
    throw new UserError({
      subject: host,
      problem: "the host did not say what it has now.",
      fix: "Run this again; nothing is half done there.",
    });
  }
  const sum = (text: string) => createHash("sha256").update(text).digest("hex");
  const wrong = Object.entries(files).filter(([name, text]) => parsed.data.files[name] !== sum(text));
  if (wrong.length > 0) {
    const names = wrong.map(([name]) => name).join(", ");
    throw new UserError({
      subject: host,
      problem: `the host has other files than were sent: ${names}.`,
      fix: "Run this again.",
    });
  }
  return parsed.data;
}

function refusal(host: string, exitCode: number, stderr: string): UserError {
  const said = stderr.trim().split("\n").at(-1) ?? "";
  if (exitCode === 255) {
    return new UserError({
      subject: host,
      problem: `no ssh session: ${said || "ssh said nothing"}. Nothing was changed on the host. Can you log in? clawdlets env, then ssh as admin under .clawdlets/known_hosts.`,
    });
  }
  if (/command not found|password is required|not allowed|No such file/.test(stderr)) {
    return new UserError({
      subject: host,
      problem: `its configuration has no clawdlets-receive-secrets, or does not let admin run it (${said}). It comes with the NixOS module "secrets" of this project's flake.`,
    });
  }
  // Its own exit code for this: everything is in place, and systemd could not be told.
  if (exitCode === 2) {
    return new UserError({
      subject: host,
      problem: `the secrets are in place, but not every service was told: ${said}`,
    });
  }
  return new UserError({
    subject: host,
    problem: `the host refused and changed nothing: ${said || `exit code ${exitCode}`}`,
  });
}
