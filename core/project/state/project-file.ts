import { join } from "node:path";
import { SettingsError } from "../../base/errors.ts";
import { parsePlainYaml } from "../../base/text/plain-yaml.ts";
import { readText } from "../../base/text/read-text.ts";
import type { Layout } from "../layout.ts";
import { configNamespace } from "../settings/stack-config/stack-config.ts";

/** The settings of Pulumi.yaml that decide where the engine keeps its files. */
export interface ProjectFile {
  name: string;
  /** True if each stack is a host, as in a clone: then its stack file has the host's settings. */
  stacksAreHosts: boolean;
  /** True if the engine's state is below `.clawdlets/`. */
  hasLocalState: boolean;
  /** URL of the engine's state; undefined if Pulumi.yaml leaves it to PULUMI_BACKEND_URL or `pulumi login`. */
  backend: string | undefined;
}

/** Reads the project's Pulumi.yaml, with the engine's defaults for missing settings. */
export function readProjectFile({ root }: Pick<Layout, "root">): ProjectFile {
  const where = "Pulumi.yaml";
  const { text = "", problems } = readText(join(root, where), where);
  const parsed = parsePlainYaml(text, where);
  if (!parsed.document || problems.length > 0) throw new SettingsError([...problems, ...parsed.problems]);
  const { name, stackConfigDir, backend } = parsed.document.toJS() ?? {};
  return {
    name: typeof name === "string" ? name : configNamespace,
    stacksAreHosts: stackConfigDir === "stacks",
    hasLocalState: backend?.url === "file://.clawdlets/state",
    backend: typeof backend?.url === "string" ? backend.url : undefined,
  };
}
