import { join } from "node:path";
import { repository } from "../../_repository.ts";
import { ownEtc } from "../_private-machine.ts";
import { type MachineOptions, receivesSystems } from "./_machines.ts";

/** In place of systemd, which the machine does not have: a unit is a process of its own session, and every service runs. */
const standIns = `
mkdir -p /run/stand-ins
cat >/run/stand-ins/systemd-run <<'END'
#!/bin/sh
[ "$1 $2 $3" = "--quiet --collect --unit=clawdlets-activation.service" ] || { echo "systemd-run: $*" >&2; exit 1; }
shift 5
setsid sh -c 'echo $$ >/run/session; exec "$@"' unit "$@" >>/run/journal 2>&1 </dev/null &
END
cat >/run/stand-ins/systemctl <<'END'
#!/bin/sh
[ "$*" != "is-active --quiet clawdlets-activation.service" ]
END
chmod 755 /run/stand-ins/*
`;

/**
 * A host that switches by the real nix/host/activate.sh with real nix, nix-env, git and openssl, from a generation that its store has.
 * Files of a host that may be changed are its own; nothing of this machine is written to.
 */
export function buildingHost(trustedKey: string, keys = trustedKey): Pick<MachineOptions, "conf" | "setUp"> {
  const receiver = receivesSystems(trustedKey);
  const told = {
    REPOSITORY: "https://127.0.0.1:9/private/hosts",
    REF: "main",
    HOST: "web-1",
    NAME: "web-1",
    SYSTEM_KEYS: keys,
    RELEASE_FLOOR: "1000",
    CACHE: "/var/lib/clawdlets/rebuild.git",
    SELF: "/run/former/sw/bin/clawdlets-activate",
    STATE_DIR: "/var/lib/clawdlets/activation",
    PROFILE: "/nix/var/nix/profiles/system",
    SECRETS_DIR: "/var/lib/clawdlets/secrets/hosts/web-1",
    AGE_KEY_FILE: "/var/lib/key",
    REBOOT: "0",
    BUILD_SECONDS: "60",
    VITAL_UNITS: "sshd.service",
    PATH: "/run/stand-ins:/usr/sbin:/usr/bin:/sbin:/bin",
  };
  const exports = Object.entries(told).map(([key, value]) => `export ${key}='${value}'`);
  return {
    conf: `${receiver.conf}experimental-features = nix-command flakes\n`,
    setUp: `${receiver.setUp}
mkdir -p /run/former
mv /run/current-system/sw /run/former/sw
rmdir /run/current-system
${standIns}
cat >/run/former/sw/bin/clawdlets-activate <<END
#!/bin/bash
${exports.join("\n")}
export NIX_CONF_DIR='$NIX_CONF_DIR'
exec bash '${join(repository, "nix/host/activate.sh")}' "\\$@"
END
chmod 755 /run/former/sw/bin/clawdlets-activate
${ownEtc}
mkdir -p /etc/clawdlets /etc/nix
cp "$NIX_CONF_DIR/nix.conf" /etc/nix/nix.conf
printf '%s\\n' '${keys}' >/etc/clawdlets/system-keys
mount -t tmpfs tmpfs /var/lib
mount -t tmpfs tmpfs /root
mount -t proc proc /proc
mkdir -p /var/lib/clawdlets /run/former/bin
printf '#!/bin/sh\\n[ "$1" = boot ] || ln -sfn "$(dirname "$(dirname "$(readlink -f "$0")")")" /run/current-system\\n' >/run/former/bin/switch-to-configuration
chmod 755 /run/former/bin/switch-to-configuration
former=$(nix-store --add /run/former)
nix-env --profile /nix/var/nix/profiles/system --set "$former"
ln -s "$former" /run/current-system`,
  };
}

/** Kills the run with everything that it started, as systemd kills a unit. */
export const killRun = 'pkill --signal KILL --session "$(cat /run/session)"';

/** Lines of sh that make a system which such a host can switch to, and leave. */
export const systemLines = `mkdir -p $out/bin $out/etc/systemd/system
ln -s /run/former/sw $out/sw
: >$out/etc/systemd/system/clawdlets-activation-watch.service
printf '#!/bin/sh\\n[ "$1" = boot ] || ln -sfn %s /run/current-system\\n' $out >$out/bin/switch-to-configuration
chmod 755 $out/bin/switch-to-configuration`;
