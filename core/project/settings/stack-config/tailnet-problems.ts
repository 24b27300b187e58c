import type { Problem } from "../../../base/problem.ts";
import { configNamespace, type StackConfig } from "./stack-config.ts";

/** What the tailnet's settings lack, or what its control server would refuse. @param where the file's name, for messages */
export function tailnetProblems(value: StackConfig, where: string): Problem[] {
  return [...withoutServer(value, where), ...refusedTags(value, where)];
}

/** Nobody else knows where a headscale of one's own is. */
function withoutServer({ tailnet, tailnetLoginServer }: StackConfig, where: string): Problem[] {
  if (tailnet !== "headscale" || tailnetLoginServer !== undefined) return [];
  return [
    {
      code: "missing-setting",
      subject: where,
      setting: `${configNamespace}:tailnetLoginServer`,
      problem: `missing; ${configNamespace}:tailnet is "headscale", which needs the address of your control server.`,
      fix: "Set it, e.g. https://headscale.example.com.",
    },
  ];
}

/** headscale mints no key with such a tag, which would only turn out once there is a server. */
function refusedTags({ tailnet, tailnetTags }: StackConfig, where: string): Problem[] {
  const refused = tailnet === "headscale" ? tailnetTags.filter((tag) => tag !== tag.toLowerCase()) : [];
  return refused.map((tag) => ({
    code: "invalid-value",
    subject: where,
    setting: `${configNamespace}:tailnetTags.${tailnetTags.indexOf(tag)}`,
    problem: `is "${tag}"; allowed with headscale: lowercase, ${tag.toLowerCase()}.`,
  }));
}
