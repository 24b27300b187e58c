import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { quoted } from "../../base/wording.ts";
import type { TailnetKind } from "../../project/settings/stack-config/tailnet.ts";

/** Rules of a tailnet, as its control server takes them (JSON is valid HuJSON). */
export interface TailnetPolicy {
  groups?: Record<string, string[]>;
  tagOwners: Record<string, string[]>;
  grants?: { src: string[]; dst: string[]; ip: string[] }[];
  acls?: { action: "accept"; proto: string; src: string[]; dst: string[] }[];
  ssh: { action: "accept"; src: string[]; dst: string[]; users: string[] }[];
  tests?: { src: string; proto: string; accept: string[]; deny: string[] }[];
}

/** Who may be an admin. headscale refuses groups here: they would be members of a group. */
const adminRules = {
  tailscale: {
    shape: /^(autogroup:(admin|owner|network-admin|it-admin|member)|group:[\w-]{1,60}|[\w.+-]{1,100}@[\w.-]{1,200})$/,
    allowed: "a user such as you@example.com; a group such as group:ops; autogroup:admin",
  },
  headscale: { shape: /^[\w.+-]{1,100}@[\w.-]{0,200}$/, allowed: "headscale's users, such as you@ or you@example.com" },
};

const group = "group:bot-host-admins";

/**
 * The rules that bot hosts need: admins reach port 22 and nothing else, and the hosts open no connection to anybody. Whatever is not
 * granted is refused, so there is no rule with a host as its source.
 * @param admins required with headscale, which has no group of admins of its own
 * @throws UserError for an admin that is not a name
 */
export function policyFor(
  tailnet: Exclude<TailnetKind, "none">,
  tags: readonly string[],
  admins: readonly string[],
): TailnetPolicy {
  const { shape, allowed } = adminRules[tailnet];
  const wrong = admins.find((admin) => !shape.test(admin));
  if (wrong !== undefined) {
    const problem = `--admin ${quoted(wrong)} is not one; allowed: ${allowed}.`;
    throw new UserError({ subject: "", problem }, { exitCode: exitCodes.usage });
  }
  const dst = [...tags];
  const ssh = (src: string[]) => [{ action: "accept" as const, src, dst, users: ["admin"] }];
  if (tailnet === "headscale") {
    if (admins.length === 0) {
      const problem = "headscale has no group of admins, so the policy needs to know who they are.";
      const fix = "Pass your users: clawdlets tailnet policy --admin you@";
      throw new UserError({ code: "usage", subject: "", problem, fix }, { exitCode: exitCodes.usage });
    }
    return {
      groups: { [group]: [...admins] },
      tagOwners: Object.fromEntries(tags.map((tag) => [tag, [group]])),
      acls: [{ action: "accept", proto: "tcp", src: [group], dst: tags.map((tag) => `${tag}:22`) }],
      ssh: ssh([group]),
    };
  }
  const src = admins.length > 0 ? [...admins] : ["autogroup:admin"];
  const [first = ""] = tags;
  return {
    tagOwners: Object.fromEntries(tags.map((tag) => [tag, ["autogroup:admin"]])),
    grants: [{ src, dst, ip: ["tcp:22"] }],
    ssh: ssh(src),
    // Tailscale refuses a policy whose tests fail: another rule cannot open these hosts unnoticed.
    tests: [{ src: first, proto: "tcp", accept: [], deny: tags.flatMap((tag) => [`${tag}:22`, `${tag}:443`]) }],
  };
}
