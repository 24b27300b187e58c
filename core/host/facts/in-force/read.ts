import { z } from "zod";
import { UserError } from "../../../base/errors.ts";
import { parseJson } from "../../../base/text/json.ts";
import { readRefusal, refusedInWords } from "../../reach/refusal.ts";

/** Installed by the NixOS module. It takes no arguments, so sudo can allow exactly this line. */
export const auditCommand = "sudo -n /run/current-system/sw/bin/clawdlets-audit";

const nftObject = z.record(z.string(), z.unknown());

const report = z.object({
  /** Of `sshd -T`, a setting each; empty if it could not be asked. */
  sshd: z.array(z.string()),
  /** Of `ss`, a socket each. */
  sockets: z.array(z.string()),
  /** Mode, uid, gid, type and path. */
  files: z.array(z.string()),
  /** As `nft --json list ruleset` has it; null if nft could not be asked. */
  nft: z.array(nftObject).nullable(),
  /** Parts of `tailscale status --json`; null without tailscale. */
  tailscale: z
    .object({
      BackendState: z.string(),
      Health: z.array(z.string()).nullish(),
      KeyExpiry: z.string().nullish(),
      Online: z.boolean().nullish(),
    })
    .nullable(),
});

/** What is in force on a host, by the programs that enforce it. */
export type InForce = z.infer<typeof report>;

type Run = (command: string) => Promise<{ exitCode: number; stdout: string; stderr: string }>;

/** @throws UserError if the host does not say, as one whose system is older than the command */
export async function readInForce(host: string, run: Run): Promise<InForce> {
  const { exitCode, stdout, stderr } = await run(auditCommand);
  const parsed = report.safeParse(parseJson(stdout));
  if (exitCode === 0 && parsed.success) return parsed.data;
  const refusal = readRefusal(stderr, exitCode);
  const fix = `Rebuild it with the system that belongs to this version: clawdlets rebuild --host ${host}`;
  if (exitCode === 0 || refusal.isMissing || refusal.code === "unknown-order") {
    const why = exitCode === 0 ? "its answer is malformed" : refusal.said;
    throw new UserError({ subject: host, problem: `its system does not report what is in force (${why}).`, fix });
  }
  const why = exitCode === 255 ? `lost contact: ${refusal.said}` : refusedInWords(refusal);
  throw new UserError({ subject: host, problem: `what is in force there is unknown: ${why}` });
}
