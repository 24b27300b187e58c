/** Which part of a host's journal to print. */
export interface JournalRequest {
  /** With its suffix, e.g. `sshd.service`; undefined for the whole host. */
  unit?: string | undefined;
  /** As systemd.time(7) has it, e.g. `-2h`, `yesterday` or `2026-11-27 10:00`. */
  since?: string | undefined;
  until?: string | undefined;
  /** 1 to 99999. */
  lines: string;
  follow?: boolean | undefined;
}

/** Installed by the NixOS module. It reads the request from standard input, so sudo can allow exactly this line. */
export const logsCommand = "sudo -n /run/current-system/sw/bin/clawdlets-logs";

/** A unit as nix/host/logs.sh accepts it: without wildcards. */
export const unitPattern =
  /^[A-Za-z0-9@_][A-Za-z0-9@_.:\\-]{0,199}\.(?:service|socket|timer|target|slice|scope|mount|path)$/;

/** A time as nix/host/logs.sh accepts it; whether it is one, journalctl decides. */
export const timePattern = /^[A-Za-z0-9@+-][A-Za-z0-9 :.+/_-]{0,63}$/;

/** The request as nix/host/logs.sh reads it. */
export function requestText({ unit, since, until, lines, follow }: JournalRequest): string {
  const entries = { unit, since, until, lines, follow: follow ? "yes" : undefined };
  const given = Object.entries(entries).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}\n`]));
  return `${given.join("")}\n`;
}
