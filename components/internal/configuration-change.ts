import * as pulumi from "@pulumi/pulumi";

/** The inputs of a configuration's Command that declare the host's commit and secrets. */
type Inputs = { environment?: Readonly<Record<string, unknown>> };

/**
 * Logs, in a preview and before an update, whether commit or secrets of a running host change and, if known, the resulting system.
 * The engine itself shows only two inputs of a Command.
 */
export function tellingHooks(
  name: string,
  host: string,
  evaluate: ((revision: string) => Promise<string | undefined>) | undefined,
): pulumi.ResourceHookBinding {
  const tell = new pulumi.ResourceHook(
    `${name}-configuration-change`,
    async ({ oldInputs, newInputs }) => {
      const changes = changesOf(oldInputs, newInputs);
      if (changes.length === 0) return;
      await pulumi.log.info(`${host}: changed in place: ${changes.join("; ")}`);
      const revision = changedTo(oldInputs, newInputs, "CLAWDLETS_FLAKE_REV");
      if (!pulumi.runtime.isDryRun() || revision === undefined || evaluate === undefined) return;
      try {
        const system = await evaluate(revision);
        if (system !== undefined) await pulumi.log.info(`${host}: new system: ${system}`);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        await pulumi.log.warn(`${host}: ${why}. An update would not change the host.`);
      }
    },
    { onDryRun: true },
  );
  return { beforeUpdate: [tell] };
}

/** A sentence each. */
export function changesOf(before: Inputs = {}, after: Inputs = {}): string[] {
  const from = before.environment ?? {};
  const revision = changedTo(before, after, "CLAWDLETS_FLAKE_REV");
  const said = [];
  if (revision !== undefined) {
    const former = from["CLAWDLETS_FLAKE_REV"];
    said.push(typeof former === "string" ? `commit ${former} to ${revision}` : `to commit ${revision}`);
  }
  if (changedTo(before, after, "CLAWDLETS_CIPHERTEXT") !== undefined)
    said.push("new secrets (their ciphertext changed)");
  return said;
}

function changedTo(before: Inputs = {}, after: Inputs = {}, key: string): string | undefined {
  const value = after.environment?.[key];
  return typeof value === "string" && value !== before.environment?.[key] ? value : undefined;
}
