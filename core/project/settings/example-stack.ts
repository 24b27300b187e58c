import type { Problem } from "../../base/problem.ts";
import type { StackConfig } from "./stack-config/stack-config.ts";

/** The host of `stacks/Pulumi.example.yaml`, which no command for several hosts means as long as it has the example's keys. */
export const exampleHost = "example";

/** Public keys without a private half: shaped like real ones, so that a preview and Nix accept them, and made of one word. */
export const exampleRecipient = `age1${"example".repeat(8)}ex`;
export const exampleSshKey = `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${"Example".repeat(6)}E example`;

/** Whether a setting's value is one of the example's keys, or a list of nothing else: `init` overwrites it. */
export function isExampleKey(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0 && value.every(isExampleKey);
  return value === exampleRecipient || value === exampleSshKey;
}

/** Only the settings that are decided. */
export const withoutExampleKeys = (settings: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => !isExampleKey(value)));

/** Refuses to work with a host that has keys of the example: nobody could decrypt its secrets or log in. */
export function exampleKeyProblems(host: string, config: StackConfig): Problem[] {
  const keys = ["ageRecipient", "sshHostKey", "adminSshKeys"] as const;
  const found = keys.filter((key) => isExampleKey(config[key]));
  if (found.length === 0) return [];
  return [
    {
      code: "key-missing",
      subject: `stacks/Pulumi.${host}.yaml`,
      setting: found.map((key) => `clawdlets:${key}`).join(", "),
      problem: `${found.length === 1 ? "is the example's key, which has no private half" : "are the example's keys, which have no private halves"}.`,
      fix: `Make this host's own keys: clawdlets init --host ${host}`,
    },
  ];
}
