import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { ssh } from "../reach/ssh.ts";
import type { Installation } from "../request.ts";
import { bootstrapRoute } from "./bootstrap-keys.ts";

/**
 * Checks, in the installer, that the disk to be wiped exists. The flake decides which disk disko formats, and nixos-anywhere has
 * no option for it, so this is the last moment at which a wrong name does no harm.
 * @throws UserError that lists the server's disks
 */
export async function checkDisk({ settings, facts, local, host, signal }: Installation): Promise<void> {
  const { disk } = settings.install;
  const route = await bootstrapRoute(host, settings.host, { address: facts.address, port: local.sshPort });
  // A name below /dev/disk is a link; /proc/partitions lists the real disks.
  const command = `readlink -f ${disk}; cat /proc/partitions`;
  const { stdout, exitCode } = await ssh(route, command, { timeoutSeconds: 20, signal });
  if (exitCode === 255) {
    const message = `${settings.host}: lost the ssh session as root. Run clawdlets up --host ${settings.host} again.`;
    throw new UserError(message, { exitCode: exitCodes.install });
  }
  const [device = "", ...lines] = stdout.trim().split("\n");
  const disks = wholeDisks(lines);
  if (disks.some(({ name }) => device === `/dev/${name}`)) return;
  const there = disks.map(({ name, gibibytes }) => `/dev/${name} (${gibibytes} GiB)`).join(", ") || "none";
  throw new UserError(
    {
      subject: settings.host,
      problem: `the server has no disk ${disk}; it has ${there}. Nothing was erased.`,
      fix: `Set clawdlets:install.disk in stacks/Pulumi.${settings.host}.yaml to the disk that the flake formats (disko.devices.disk.<name>.device, clawdlets.diskDevice), and run clawdlets up again.`,
    },
    { exitCode: exitCodes.install },
  );
}

/** Disks of `/proc/partitions`: `major minor #blocks name`, blocks of 1 KiB; no partitions, CD drives, loop or RAM devices. */
function wholeDisks(lines: readonly string[]): { name: string; gibibytes: number }[] {
  return lines.flatMap((line) => {
    const [, blocks, name] = /^\s*\d+\s+\d+\s+(\d+)\s+(sd[a-z]+|vd[a-z]+|xvd[a-z]+|nvme\d+n\d+)\s*$/.exec(line) ?? [];
    return name === undefined ? [] : [{ name, gibibytes: Math.round(Number(blocks) / 1024 / 1024) }];
  });
}
