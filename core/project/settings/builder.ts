import { z } from "zod";
import { credentialProblem } from "../../base/credentials.ts";
import { matching } from "./names.ts";

/** A machine that builds systems for other hosts, and is reached over ssh. */
export interface Builder {
  /** As declared: `ssh://nix@builder.example.com:2222`. */
  url: string;
  /** Undefined: as the operator is called on their own machine, which is ssh's default. */
  user: string | undefined;
  /** Name or address, IPv6 without brackets. */
  address: string;
  port: number;
}

const label = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
const name = `${label}(?:\\.${label})*`;
const pattern = new RegExp(
  `^ssh://(?:([A-Za-z_][A-Za-z0-9_.-]{0,31})@)?(?:(${name})|\\[([0-9A-Fa-f:.]{2,45})\\])(?::([1-9][0-9]{0,4}))?$`,
);

/** @returns undefined for what is not the URL of a builder */
export function parseBuilder(url: string): Builder | undefined {
  const match = pattern.exec(url);
  if (!match) return undefined;
  const [, user, host, ipv6, port = "22"] = match;
  if (Number(port) > 65_535) return undefined;
  return { url, user, address: host ?? ipv6 ?? "", port: Number(port) };
}

const allowed =
  'allowed: "host", "local" or a builder, e.g. ssh://nix@builder.example.com:22, without password, path or options';

/** Where a system is built. @see stackConfig `rebuild` */
export const buildPlace = z.string(allowed).superRefine((place, context) => {
  if (place === "host" || place === "local" || parseBuilder(place)) return;
  context.addIssue({ code: "custom", message: credentialProblem(place) ?? allowed });
});

/** The only kind of key that our ssh accepts from a host. */
export const builderKey = matching(
  /^ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}(?: \P{Cc}*)?$/u,
  'allowed: the builder\'s Ed25519 host key, "ssh-ed25519 AAAA…", as in its /etc/ssh/ssh_host_ed25519_key.pub',
);
