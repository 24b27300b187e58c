import type { Problem } from "../../../base/problem.ts";
import type { Settings } from "./common.ts";
import { firewallProblems } from "./firewall.ts";
import type { InForce } from "./read.ts";
import { fileProblems } from "./secret-files.ts";
import { socketProblems } from "./sockets.ts";
import { sshdProblems } from "./sshd.ts";
import { tailscaleProblems } from "./tailscale.ts";

/** What differs from what the NixOS modules put in force, by part. */
export interface InForceFindings {
  sshd: Problem[];
  firewall: Problem[];
  sockets: Problem[];
  "secret files": Problem[];
  tailscale: Problem[];
}

/** Compares what is in force on a host with what has to be. test/nix/operate/inspect.test.ts holds this against the modules' own settings. */
export function inForceFindings(seen: InForce, settings: Settings, now = new Date()): InForceFindings {
  return {
    sshd: sshdProblems(seen.sshd, settings),
    firewall: firewallProblems(seen.nft, settings),
    sockets: socketProblems(seen.sockets, settings),
    "secret files": fileProblems(seen.files, settings),
    tailscale: tailscaleProblems(seen.tailscale, settings, now),
  };
}
