import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { labelsOf } from "../../core/base/hetzner/labels.ts";
import { hostLayoutOf, type Layout } from "../../core/project/layout.ts";
import { project, stackFile, upstreamStack } from "../_project.ts";
import { done, type Lab, newServer } from "../emulator/_lab.ts";

export const clawdlets = join(process.cwd(), "bin", "clawdlets.mjs");
const admin = "127.0.0.1/32"; // This machine, as the emulator sees it.
const ping = { direction: "in", protocol: "icmp", source_ips: ["0.0.0.0/0"] };
const rev = "0".repeat(40);

/** Longer than closing may take, and a command's start on a busy machine. */
export const patienceMs = 90_000;

export interface Path {
  args: (host: string) => string[];
  /** Opens the window itself, and has a guard that goes on closing it. */
  opens: boolean;
}

export const paths: Record<string, Path> = {
  "window close": { args: (host) => ["window", "close", "--host", host], opens: false },
  lockdown: { args: (host) => ["lockdown", "--host", host], opens: false },
  "ssh --window": { args: (host) => ["ssh", host, "--window", "--", "true"], opens: true },
  "rebuild --window": {
    args: (host) => ["rebuild", "--host", host, "--rev", rev, "--no-secrets", "--window"],
    opens: true,
  },
};

export interface Host {
  name: string;
  path: Path;
  host: string;
  server: { ipv4: string };
  layout: Layout;
}

/** A server behind its declared firewall, with a project that knows it and, where the path closes one, an open window. */
export async function hostFor(lab: Lab, name: string, path: Path): Promise<Host> {
  const host = name.toLowerCase().replaceAll(/[^a-z]+/g, "-");
  const firewall = { name: `${host}-fw`, labels: labelsOf(host), rules: [ping] };
  const { id } = (await done(lab, "POST", "/firewalls", firewall)).body.firewall;
  const server = await newServer(lab, host, { labels: labelsOf(host), firewalls: [{ firewall: id }] });
  if (!path.opens) await openWindow(lab, host, server.id);
  return { name, path, host, server, layout: projectOf(lab, host, server.ipv4) };
}

function openWindow(lab: Lab, host: string, id: number) {
  const rules = [{ direction: "in", protocol: "tcp", port: "22", source_ips: [admin] }];
  const apply_to = [{ type: "server", server: { id } }];
  const labels = { "clawdlets-window": host, "clawdlets-run": "0123abcd" };
  return done(lab, "POST", "/firewalls", { name: `${host}-window`, labels, rules, apply_to });
}

function projectOf(lab: Lab, host: string, address: string): Layout {
  const { endpoint, token, sshPort } = lab.emulator;
  const [entry] = Object.values(upstreamStack.hosts);
  const opentofu = { adminCidr: admin, sshPubkeyFile: join(lab.dir, "id.pub") };
  const layout = project(
    {
      stack: { ...upstreamStack, hosts: { [host]: { ...entry, flakeHost: host, opentofu } } },
      env: `HCLOUD_TOKEN=${token}\nHCLOUD_ENDPOINT=${endpoint}\nCLAWDLETS_SSH_PORT=${sshPort}\n`,
      stackFile: `${stackFile}  clawdlets:tailnet: none\n  clawdlets:flake: github:o/r\n`,
    },
    host,
  );
  const files = hostLayoutOf(layout, host);
  mkdirSync(files.dir, { recursive: true, mode: 0o700 });
  const at = new Date(0).toISOString();
  const journal = { version: 1, installId: "0".repeat(16), serverId: 1, address, state: "done", startedAt: at };
  writeFileSync(files.journal, JSON.stringify({ ...journal, steps: [], seen: {} }), { mode: 0o600 });
  return layout;
}
