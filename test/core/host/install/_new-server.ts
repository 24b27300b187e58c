import { ensureBootstrapKeys, readBootstrapKeys } from "../../../../core/host/install/bootstrap-keys.ts";
import { bootstrapUserData } from "../../../../core/host/install/user-data.ts";
import type { Installation } from "../../../../core/host/request.ts";
import { hostLayoutOf } from "../../../../core/project/layout.ts";
import { project } from "../../../_project.ts";
import { type Lab, newServer } from "../../../emulator/_lab.ts";

export const host = hostLayoutOf(project(), "web-1");
let servers = 0;

/** A server that was just created behind the one-time keys, and as much of its installation as the first steps need. */
export async function newInstallation(lab: Lab): Promise<{ installation: Installation; id: number; said: string[] }> {
  await ensureBootstrapKeys(host, "web-1");
  const keys = readBootstrapKeys(host);
  if (!keys) throw new Error("no one-time keys");
  servers += 1;
  const { id, ipv4 } = await newServer(lab, `web-${servers}`, { user_data: bootstrapUserData(keys) });
  const said: string[] = [];
  const installation: Partial<Record<keyof Installation, unknown>> = {
    host,
    settings: { host: "web-1", sshHostKey: "ssh-ed25519 AAAA", tailnet: "none", image: "debian-12" },
    local: { sshPort: lab.emulator.sshPort },
    facts: { address: ipv4 },
    signal: new AbortController().signal,
    report: (_: string, text: string) => said.push(text),
  };
  return { installation: installation as unknown as Installation, id, said };
}
