import { type Difference, spelled } from "./difference.ts";

/** Words in a host's Nix files that are about access, network or trust. */
const trusted =
  /egress|firewall|nftables|iptables|authorizedKeys|adminSshKeys|publicSsh|openssh|sudo|doas|polkit|users\.(users|groups)|extraGroups|hashedPassword|initialPassword|password|trusted-|trusted[A-Z]|substituters|builders|nixPath|registry|sops|age\b|secrets|tailnet|tailscale|wireguard|security\.|capabilit|fetch[A-Z]\w*|fetchurl|getFlake|builtins\.|__\w+|activationScripts|kexec|autoUpgrade|setuid|wrappers|pam\b|mode\s*=|allow/i;

/** Values that are about trust under any name: addresses, keys, networks. */
const trustedValue =
  /[a-z+]+:\/\/|\b(github|gitlab|git\+\w+|path):|ssh-|age1|[A-Za-z0-9+/]{40}|\d+\.\d+\.\d+\.\d+|:[0-9a-f]*:/i;

/**
 * Compares Nix files line by line, since there is no Nix parser here: regardless of order, and each line together with the lines
 * that it is indented below. A changed line about trust is dangerous, and is shown with what it replaces.
 */
export function changedNix(file: string, before: string, after: string): Difference[] {
  const [old, next] = [linesOf(before), linesOf(after)];
  const [goneTrust, addedTrust] = [without(old, next), without(next, old)].map((lines) =>
    lines
      .filter(({ text, within }) => trusted.test(`${within} ${text}`) || trustedValue.test(text))
      .map(({ text }) => text),
  );
  const about = [...(goneTrust ?? []), ...(addedTrust ?? [])];
  if (about.length === 0) return [{ file, dangerous: false, why: "changed" }];
  return [
    {
      file,
      ...(goneTrust?.length && { before: spelled(goneTrust.join(" ")) }),
      ...(addedTrust?.length && { after: spelled(addedTrust.join(" ")) }),
      dangerous: true,
      why: "lines about access or trust",
    },
  ];
}

interface Line {
  text: string;
  /** The lines that it is indented below, outermost first. */
  within: string;
}

function linesOf(text: string): Line[] {
  const open: { indent: number; text: string }[] = [];
  return text.split("\n").flatMap((line) => {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) return [];
    const indent = line.search(/\S/);
    while ((open.at(-1)?.indent ?? -1) >= indent) open.pop();
    const within = open.map((each) => each.text).join(" ");
    open.push({ indent, text: trimmed });
    return [{ text: trimmed, within }];
  });
}

function without(lines: readonly Line[], others: readonly Line[]): Line[] {
  const left = new Map<string, number>();
  const keyOf = ({ text, within }: Line) => `${within}\0${text}`;
  for (const line of others) left.set(keyOf(line), (left.get(keyOf(line)) ?? 0) + 1);
  return lines.filter((line) => {
    const count = left.get(keyOf(line)) ?? 0;
    left.set(keyOf(line), count - 1);
    return count <= 0;
  });
}
