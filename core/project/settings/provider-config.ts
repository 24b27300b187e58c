import { join } from "node:path";
import type { Problem } from "../../base/problem.ts";
import { readText } from "../../base/text/read-text.ts";
import { parseYamlText } from "../../base/text/yaml-text.ts";
import type { Layout } from "../layout.ts";

/** The provider's own settings that say whose account it works in; `hcloud:config:` is how older files write the namespace. */
const deciding = /^hcloud:(?:config:)?(token|endpoint\w*)$/i;

/**
 * Settings of the provider that would send it to another account than the rest of us: it takes `hcloud:token` before HCLOUD_TOKEN,
 * and then creates servers that no check, window or lockdown of ours can see. No value is shown: it is a token.
 * @param keys as they stand in the file, with namespace
 */
export function providerProblems(keys: readonly string[], where: string, stack: string): Problem[] {
  return keys.flatMap((key) => {
    const [, name] = deciding.exec(key) ?? [];
    if (name === undefined) return [];
    const variable = name.toLowerCase() === "token" ? "HCLOUD_TOKEN" : "HCLOUD_ENDPOINT";
    const leak = name.toLowerCase() === "token" ? " A token in a committed file counts as known: replace it." : "";
    return [
      {
        code: "ignored-setting",
        subject: where,
        setting: key,
        problem: `would be used by the provider alone, and everything else uses ${variable}.`,
        fix: `Remove it (pulumi config rm ${key} --stack ${stack}) and set ${variable} in .clawdlets/.env.${leak}`,
      },
    ];
  });
}

/** Keys of the settings that Pulumi.yaml has for every stack. A folder without one, as in a test of one file, has none. */
export function projectConfigKeys({ root }: Pick<Layout, "root">): string[] {
  const { text } = readText(join(root, "Pulumi.yaml"), "Pulumi.yaml");
  const content: unknown = text === undefined ? undefined : parseYamlText(text, "Pulumi.yaml").document?.toJS();
  const config = typeof content === "object" && content !== null && "config" in content ? content.config : {};
  return typeof config === "object" && config !== null ? Object.keys(config) : [];
}
