import { latin1FromBytes } from "just-bash";
import type { CommandContext, CommandTable, ExecResult, Session } from "./context.ts";
import { failed, ok } from "./context.ts";

/** Commands of ours that sudo allows without arguments. Real ones: nix/host/logs.sh and nix/host/audit.sh. */
const names = ["clawdlets-logs", "clawdlets-audit"];

/** @param words after `sudo -n` @returns whether they are one of these commands, alone */
export const isInspection = (words: readonly string[]): boolean =>
  names.some((name) => words.join(" ") === `/run/current-system/sw/bin/${name}`);

/** A stand-in: one made-up line, for a request that the real one accepts. */
function logs(_args: string[], context: CommandContext, { user }: Session): ExecResult {
  if (user.uid !== 0) return failed("No journal files were opened due to insufficient permissions.");
  const input = Buffer.from(latin1FromBytes(context.stdin), "latin1").toString();
  const given = new Map(input.split("\n").map((line) => [line.split("=")[0], line.slice(line.indexOf("=") + 1)]));
  const since = given.get("since") ?? "";
  if (/^[a-z]+$/.test(since) && !["yesterday", "today", "now"].includes(since)) {
    return failed(`clawdlets-logs: code bad-time\nclawdlets-logs: refused, nothing changed: not a time: ${since}`);
  }
  return ok(`2026-11-25T10:00:00+0000 emulated systemd[1]: Started ${given.get("unit") ?? "the whole host"}.\n`);
}

/** A stand-in that says what the NixOS modules put in force: nothing here runs sshd, nft or tailscale. */
function audit(_args: string[], _context: CommandContext, { user }: Session): ExecResult {
  if (user.uid !== 0) return failed("clawdlets-audit: code failed\nclawdlets-audit: it failed with exit status 1");
  const chain = (table: string, hook: string, policy: string) => ({
    chain: { family: "inet", table, name: hook, handle: 1, type: "filter", hook, prio: 0, policy },
  });
  const report = {
    sshd: [
      "port 22",
      "permitrootlogin no",
      "passwordauthentication no",
      "kbdinteractiveauthentication no",
      "permitemptypasswords no",
      "pubkeyauthentication yes",
      "hostbasedauthentication no",
      "gssapiauthentication no",
      "authenticationmethods publickey",
      "allowusers admin",
      "authorizedkeysfile /etc/ssh/authorized_keys.d/%u",
      "authorizedkeyscommand none",
      "trustedusercakeys none",
      "permituserenvironment no",
      "allowagentforwarding no",
      "allowtcpforwarding local",
      "allowstreamlocalforwarding no",
      "gatewayports no",
      "permittunnel no",
      "x11forwarding no",
      "hostkey /etc/ssh/ssh_host_ed25519_key",
    ],
    sockets: ['tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=1,fd=3))'],
    files: ["600 0 0 f /var/lib/sops-nix/key.txt"],
    nft: [
      chain("nixos-fw", "input", "drop"),
      ...["output", "forward"].map((hook) => chain("clawdlets-egress", hook, "accept")),
    ],
    tailscale: { BackendState: "Running", Health: null, KeyExpiry: null, Online: true, Tags: null },
  };
  return ok(`${JSON.stringify(report)}\n`);
}

export const inspectCommands: CommandTable = { "clawdlets-logs": logs, "clawdlets-audit": audit };
