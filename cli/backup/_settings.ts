import { SettingsError } from "../../core/base/errors.ts";
import type { BackupSettings } from "../../core/project/settings/backups.ts";
import type { HostSettings } from "../../core/project/settings/host.ts";

/** @throws SettingsError if the host's stack file sets up no backups */
export function settingsOf({ host, settings }: { host: string; settings: HostSettings }): BackupSettings {
  if (settings.backups) return settings.backups;
  throw new SettingsError([
    {
      code: "missing-setting",
      subject: `stacks/Pulumi.${host}.yaml`,
      setting: "clawdlets:backups",
      problem: "is not set, so this host has no backups.",
      fix: "Name a repository (docs/backups.md).",
    },
  ]);
}
