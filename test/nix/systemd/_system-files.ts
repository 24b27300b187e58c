/** What a system's configuration breaks: sshd that does not start or lets nobody in, a firewall, a tailnet likewise. */
export type Break = "sshd-start" | "sshd-login" | "firewall" | "tailnet-start" | "tailnet-login" | "health";

/** A system without the folder that it lies in. Files below `bin/` are executable. */
export interface SystemFiles {
  files: Readonly<Record<string, string>>;
  /** Targets by link. */
  links: Readonly<Record<string, string>>;
}

export interface SystemOf {
  name: string;
  /** Of the host, which it shares with the machine. */
  folder: string;
  sshdConfig: string;
  breaks: readonly Break[];
  /** Lines of its `switch-to-configuration`, once it has switched half. */
  lines: string;
}

/** Systems of `SystemdHost`, whatever builds them. */
export function systemFiles({ name, folder, sshdConfig, breaks, lines }: SystemOf): SystemFiles {
  const has = (what: Break) => breaks.includes(what);
  const drop = has("firewall") ? "tcp dport 22 drop" : "";
  const tailnet = has("tailnet-start") ? "fails" : has("tailnet-login") ? "logged-out" : "up";
  const sshd = `${has("sshd-start") ? "NoSuchSetting yes\n" : ""}${has("sshd-login") ? "DenyUsers admin\n" : ""}`;
  const kernel = `${folder}/store/linux-1`;
  return {
    files: {
      "bin/switch-to-configuration": switching(name, folder, lines),
      "etc/sshd_config": `${sshd}${sshdConfig}`,
      "etc/nftables.conf": `flush ruleset\ntable inet t {\nchain i {\ntype filter hook input priority 0\n${drop}\n}\n}\n`,
      "etc/tailscaled": tailnet,
      "etc/clawdlets/health-commands": has("health") ? "systemctl is-active --quiet no.service\n" : "",
      "etc/systemd/system/clawdlets-activation-watch.service": "",
    },
    links: {
      "sw/bin/clawdlets-activate": `${folder}/self`,
      "sw/bin/clawdlets-receive-system": `${folder}/receiver`,
      kernel,
      initrd: kernel,
      "kernel-modules": kernel,
    },
  };
}

/** nixpkgs' switch-to-configuration: stops what has changed, reexecutes and reloads the manager, starts; 4 when a unit fails. */
const switching = (name: string, folder: string, lines: string) => `#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
at=$(dirname "$(dirname "$(readlink -f "$0")")")
echo "${name} $1" >>'${folder}/log'
mkdir -p /run/nixos && chmod 755 /run/nixos && exec 5>>/run/nixos/switch-to-configuration.lock
flock --nonblock 5 || { echo "Could not acquire lock" >&2; exit 1; }
echo "$at" >'${folder}/.boot-default' && mv '${folder}/.boot-default' '${folder}/boot-default'
[ "$1" = switch ] || exit 0
systemctl stop sshd.service tailscaled.service
${lines}
ln -sfn "$at/etc" /run/configuration
systemctl daemon-reexec
systemctl daemon-reload
ln -sfn "$at" '${folder}/run/current-system'
systemctl restart nftables.service
systemctl start tailscaled.service sshd.service || exit 4
`;
