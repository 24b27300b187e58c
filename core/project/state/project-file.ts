import { join } from "node:path";
import { SettingsError } from "../../base/errors.ts";
import { parsePlainYaml } from "../../base/text/plain-yaml.ts";
import { readText } from "../../base/text/read-text.ts";
import type { Layout } from "../layout.ts";
import { configNamespace } from "../settings/stack-config.ts";

/** What of Pulumi.yaml decides where the engine keeps what. */
export interface ProjectFile {
  name: string;
  /** Whether a stack is a host, as in a clone: then its stack file is the host's settings. */
  stacksAreHosts: boolean;
  /** Whether the engine's state is below `.clawdlets/`. */
  hasLocalState: boolean;
  /** Where the engine keeps the state; undefined where Pulumi.yaml leaves that to PULUMI_BACKEND_URL or `pulumi login`. */
  backend: string | undefined;
}

/** Reads the project's Pulumi.yaml; what is not said there is as the engine takes it. */
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
