import { join } from "node:path";
import type { Problem } from "../../base/problem.ts";
import { readText } from "../../base/text/read-text.ts";
import { parseYamlText } from "../../base/text/yaml-text.ts";
import type { Layout } from "../layout.ts";

/** The provider's own settings that choose its account; `hcloud:config:` is the old spelling of the namespace. */
const deciding = /^hcloud:(?:config:)?(token|endpoint\w*)$/i;

/**
 * Refuses settings that would point only the provider at another account: it prefers `hcloud:token` over HCLOUD_TOKEN, and would
 * then create servers that our checks, windows and lockdowns cannot see. Values are not shown: they may be tokens.
 * @param keys as written in the file, with namespace
 */
export function providerProblems(keys: readonly string[], where: string, stack: string): Problem[] {
  return keys.flatMap((key) => {
    const [, name] = deciding.exec(key) ?? [];
    if (name === undefined) return [];
    const variable = name.toLowerCase() === "token" ? "HCLOUD_TOKEN" : "HCLOUD_ENDPOINT";
    const leak = name.toLowerCase() === "token" ? " A token in a committed file counts as leaked: replace it." : "";
    return [
      {
        code: "ignored-setting",
        subject: where,
        setting: key,
        problem: `would only be used by the provider, while everything else uses ${variable}.`,
        fix: `Remove it (pulumi config rm ${key} --stack ${stack}) and set ${variable} in .clawdlets/.env.${leak}`,
      },
    ];
  });
}

/** Keys of the settings that Pulumi.yaml has for every stack; empty if there is no Pulumi.yaml. */
export function projectConfigKeys({ root }: Pick<Layout, "root">): string[] {
  const { text } = readText(join(root, "Pulumi.yaml"), "Pulumi.yaml");
  const content: unknown = text === undefined ? undefined : parseYamlText(text, "Pulumi.yaml").document?.toJS();
  const config = typeof content === "object" && content !== null && "config" in content ? content.config : {};
  return typeof config === "object" && config !== null ? Object.keys(config) : [];
}
