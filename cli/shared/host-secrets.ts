import { findLayout, type Layout } from "../../core/project/layout.ts";
import { openSecrets, type SecretsOfHost } from "../../core/project/secrets/open.ts";
import { listStackFiles } from "../../core/project/settings/stack-file.ts";
import { readStackJson } from "../../core/project/settings/stack-json/stack-json.ts";
import { engineOrSetUp } from "../../engine/environment.ts";
import type { Progress } from "../../engine/progress/progress.ts";
import { startProgress } from "../screen/index.ts";
import { chooseFrom } from "./choose.ts";

/** What every `secrets` command has at hand. */
export interface SecretsCommand extends SecretsOfHost {
  layout: Layout;
  host: string;
  progress: Progress;
}

/** The host that was named, or the only one of stack.json, with its secrets opened. */
export async function forHost(named: string | undefined): Promise<SecretsCommand> {
  const layout = findLayout(process.cwd());
  const host = chooseFrom(hostsOf(layout), named, layout.stackJson);
  const progress = startProgress();
  const { sops } = await engineOrSetUp(progress);
  return { layout, host, progress, ...openSecrets(layout, host, { environment: process.env, sops }) };
}

/** The hosts of stack.json; a stack file comes later, by `secrets init`. */
function hostsOf(layout: Layout): string[] {
  const { value } = readStackJson(layout);
  return value ? Object.keys(value.hosts).sort() : listStackFiles(layout);
}
