import type { Problem } from "../../../base/problem.ts";
import { safeText } from "../../../base/wording.ts";
import { notSaid, rebuildFix, type Settings } from "./common.ts";

/** What decides who gets in, as `sshd -T` prints it. Lists of algorithms are the modules' business. */
const wantedSshd: Readonly<Record<string, readonly string[]>> = {
  permitrootlogin: ["no"],
  passwordauthentication: ["no"],
  kbdinteractiveauthentication: ["no"],
  permitemptypasswords: ["no"],
  pubkeyauthentication: ["yes"],
  hostbasedauthentication: ["no"],
  gssapiauthentication: ["no"],
  authenticationmethods: ["publickey"],
  allowusers: ["admin"],
  authorizedkeysfile: ["/etc/ssh/authorized_keys.d/%u"],
  authorizedkeyscommand: ["none"],
  trustedusercakeys: ["none"],
  permituserenvironment: ["no"],
  allowagentforwarding: ["no"],
  allowtcpforwarding: ["local", "no"],
  allowstreamlocalforwarding: ["no"],
  gatewayports: ["no"],
  permittunnel: ["no"],
  x11forwarding: ["no"],
  hostkey: ["/etc/ssh/ssh_host_ed25519_key"],
};

export function sshdProblems(lines: readonly string[], { host }: Settings): Problem[] {
  if (lines.length === 0) return [notSaid(host, "sshd")];
  const values = new Map<string, string[]>();
  for (const line of lines) {
    const [key = "", ...rest] = line.split(" ");
    values.set(key.toLowerCase(), [...(values.get(key.toLowerCase()) ?? []), rest.join(" ")]);
  }
  return Object.entries(wantedSshd).flatMap(([key, wanted]): Problem[] => {
    const found = values.get(key);
    // A build without GSSAPI does not print it, and then has nothing to turn off.
    if (found === undefined && (key === "gssapiauthentication" || wanted.includes("none"))) return [];
    if (found?.every((value) => wanted.includes(value))) return [];
    const value = found === undefined ? "is not set" : `is "${safeText(found.join(", "), 200)}"`;
    return [
      {
        code: "not-locked-down",
        subject: host,
        setting: `sshd ${key}`,
        problem: `${value}; allowed: ${wanted.join(" or ")}.`,
        fix: rebuildFix(host),
      },
    ];
  });
}
