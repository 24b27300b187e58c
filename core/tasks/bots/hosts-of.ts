import { z } from "zod";
import { SettingsError } from "../../base/errors.ts";
import type { Layout } from "../../project/layout.ts";
import { planKeys } from "../../project/secrets/plan.ts";
import { checkSettings } from "../../project/settings/stack-config/check.ts";
import { stackConfig } from "../../project/settings/stack-config/stack-config.ts";
import { listStackFiles, readRawStackFile } from "../../project/settings/stack-file.ts";

const botSettings = z.object(stackConfig.shape).pick(planKeys);

/** What a stack file says of its bots and secrets, before it is complete. @throws SettingsError when it cannot be read */
export function botSettingsOf(layout: Layout, host: string): z.infer<typeof botSettings> {
  const { value, problems } = checkSettings(botSettings, readRawStackFile(layout, host), `stacks/Pulumi.${host}.yaml`);
  if (value) return value;
  throw new SettingsError(problems);
}

/** The hosts whose stack files name a bot. @throws SettingsError when one cannot be read */
export function hostsOf(layout: Layout, bot: string): string[] {
  return listStackFiles(layout).filter((host) => botSettingsOf(layout, host).bots.includes(bot));
}
