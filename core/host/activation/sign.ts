import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import type { Layout } from "../../project/layout.ts";
import { readSystemKeys, type SystemKey, signWith } from "../../project/secrets/keys/system-key.ts";

/** What a host says about the releases it accepts. */
export interface ReleaseRules {
  /** Public keys that it trusts, `name:base64`; empty if it accepts unsigned commits of its branch. */
  systemKeys: readonly string[];
  /** The last release that it kept; 0 if none. */
  release: number;
}

/** A signed statement that a host may switch to a commit or a store path. */
export interface Release {
  /** Rises with each release: seconds since 1970 when it was signed. */
  number: number;
  /** `name:base64`. */
  signature: string;
  /** True to ask for an older release than the host has; root has to allow it at the console. */
  downgrade?: boolean;
}

/**
 * Signs a release for one host; undefined if the host accepts unsigned ones.
 * @param what commit (40 hex digits) or store path
 * @param wanted public keys of the stack file, oldest first; the last one that the host trusts too is used
 * @throws UserError if no key that the host trusts is on this machine
 */
export function signRelease(
  layout: Layout,
  { host, what, wanted, rules }: { host: string; what: string; wanted: readonly string[]; rules: ReleaseRules },
): Release | undefined {
  if (rules.systemKeys.length === 0) return undefined;
  const key = trustedKey(layout, host, wanted, rules.systemKeys);
  // Above the last one, even if another machine's clock was ahead.
  const number = Math.max(Math.floor(Date.now() / 1000), rules.release + 1);
  return { number, signature: signWith(key, `clawdlets-release;1;${host};${number};${what}`) };
}

/** The newest key of the stack file that the host trusts, else any that it trusts: the stack file may be ahead of the host. */
export function trustedKey(
  layout: Layout,
  host: string,
  wanted: readonly string[],
  trusted: readonly string[],
): SystemKey {
  const here = readSystemKeys(layout).filter(({ publicKey }) => trusted.includes(publicKey));
  const newest = here.toSorted((a, b) => wanted.indexOf(b.publicKey) - wanted.indexOf(a.publicKey))[0];
  if (newest) return newest;
  const names = trusted.map((key) => key.split(":")[0]).join(" or ");
  throw new UserError(
    {
      code: "key-missing",
      subject: host,
      setting: "clawdlets:systemKeys",
      problem: `it accepts only systems that are signed by ${names}, and the private half is not in ${layout.dir}/system-keys. Nothing was changed.`,
      fix: "Copy it from the machine that has it (clawdlets vault export and import).",
    },
    { exitCode: exitCodes.settings },
  );
}
