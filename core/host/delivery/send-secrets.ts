import { createHash } from "node:crypto";
import { packTar } from "modern-tar";
import { z } from "zod";
import { UserError } from "../../base/errors.ts";
import { parseJson } from "../../base/text/json.ts";
import type { Deliver, DeliveryReport, SecretsDelivery } from "../../project/secrets/deliver.ts";
import { readRefusal, refusedInWords } from "../reach/refusal.ts";
import { type SshRoute, ssh } from "../reach/ssh.ts";

/** Command installed by the NixOS module. It takes no arguments, so sudo can allow exactly this line. */
export const receiveCommand = "sudo -n /run/current-system/sw/bin/clawdlets-receive-secrets";

/** Seconds. The host test-decrypts every file before it accepts any. */
const limitSeconds = 180;

const report = z.object({
  ok: z.literal(true),
  changed: z.boolean(),
  recipient: z.string(),
  files: z.record(z.string(), z.string()),
});

/** Sends secrets over an authenticated session, as one tar on standard input; the host accepts all of them or none. */
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

/** Compares the checksums that the host reports with what was sent. */
function checkReport(host: string, { files }: SecretsDelivery, stdout: string): DeliveryReport {
  const parsed = report.safeParse(parseJson(stdout));
  if (!parsed.success) {
    throw new UserError({
      subject: host,
      problem: "the host did not report which secrets it has now.",
      fix: "Run this again; the host changes all secrets or none.",
    });
  }
  const sum = (text: string) => createHash("sha256").update(text).digest("hex");
  const wrong = Object.entries(files).filter(([name, text]) => parsed.data.files[name] !== sum(text));
  if (wrong.length > 0) {
    const names = wrong.map(([name]) => name).join(", ");
    throw new UserError({
      subject: host,
      problem: `these secrets on the host differ from what was sent: ${names}.`,
      fix: "Run this again.",
    });
  }
  return parsed.data;
}

function refusal(host: string, exitCode: number, stderr: string): UserError {
  const found = readRefusal(stderr, exitCode);
  const { said, isMissing } = found;
  if (exitCode === 255) {
    return new UserError({
      subject: host,
      problem: `no ssh session: ${stderr.trim() ? said : "ssh gave no reason"}. Nothing was changed on the host. Can you log in? Run clawdlets env, then ssh as admin with .clawdlets/known_hosts.`,
    });
  }
  if (isMissing) {
    return new UserError({
      subject: host,
      problem: `its configuration has no clawdlets-receive-secrets, or does not let admin run it (${said}). It comes with the NixOS module "secrets" of this project's flake.`,
    });
  }
  // The script's exit code for: the secrets are installed, but systemctl failed.
  if (exitCode === 2) {
    return new UserError({
      subject: host,
      problem: `the secrets were updated, but not every service was restarted or reloaded: ${said}`,
    });
  }
  const fix = nextStep(host, found.code);
  return new UserError({ subject: host, problem: refusedInWords(found), ...(fix !== undefined && { fix }) });
}

/** By the codes of nix/host/receive-secrets.sh. Undefined where the host's words say what to do, and for systems without codes. */
function nextStep(host: string, code: string | undefined): string | undefined {
  switch (code) {
    case "busy":
      return "Run the same command again when that has ended.";
    case "cut":
      return "Run the same command again.";
    case "wrong-recipient":
      return `Are the secrets encrypted for this host's key? Check: clawdlets secrets verify --host ${host}`;
    case "failed":
      return `Run the same command again. If it fails again: clawdlets server logs --host ${host}`;
    default:
      return undefined;
  }
}
