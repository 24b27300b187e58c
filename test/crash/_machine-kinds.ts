import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import type { Demo } from "../../cli/demo/prepare.ts";
import { git } from "../../core/base/machine/git.ts";
import { writePrivateFile } from "../../core/base/machine/private-files.ts";
import { addToStackFile } from "../../core/project/settings/stack-file.ts";

/** What a host's server is: the demo's own, one of Hetzner's ARM types, or one without a public IPv4 address. */
export const machineKinds = ["x86", "arm", "ipv6"] as const;
export type MachineKind = (typeof machineKinds)[number];

/** What its server is ordered with, beside what each is. */
export const orderOf: Readonly<Record<MachineKind, Record<string, unknown>>> = {
  x86: { server_type: "cx43" },
  arm: { server_type: "cax21" },
  ipv6: { server_type: "cx43", public_net: { enable_ipv4: false, enable_ipv6: true } },
};

/** Gives the demo's host the settings of such a server. @param folder outside the project, for the installer's image */
export async function declareKind({ layout, host }: Demo, kind: MachineKind, folder: string): Promise<void> {
  if (kind === "arm") {
    await addToStackFile(layout, host, { serverType: "cax21" }, ["serverType"]);
    await changeStackJson(layout.stackJson, '"cx43"', '"cax21"');
    // Nix sees what git has: an uncommitted type would be that of another system.
    const author = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
    await git(layout.root, ...author, "commit", "--quiet", "--all", "--message", "ARM");
  }
  if (kind === "ipv6") {
    const settings = {
      ipv4Enabled: false,
      rebuild: { buildOn: "local" },
      install: { kexec: await kexecImage(folder) },
    };
    await addToStackFile(layout, host, settings, ["ipv4Enabled", "rebuild", "install"]);
    await changeStackJson(layout.stackJson, '"127.0.0.1/32"', '"::1/128"');
  }
}

async function changeStackJson(file: string, before: string, after: string): Promise<void> {
  await writePrivateFile(file, readFileSync(file, "utf8").replace(before, after));
}

/** What nixos-anywhere unpacks on the server. */
async function kexecImage(folder: string): Promise<string> {
  mkdirSync(join(folder, "image", "kexec"), { recursive: true });
  writeFileSync(join(folder, "image", "kexec", "run"), "#!/bin/sh\nexec kexec --load-and-run\n", { mode: 0o755 });
  const file = join(folder, "kexec.tar.gz");
  await execa("tar", ["-czf", file, "-C", join(folder, "image"), "kexec"]);
  return file;
}
