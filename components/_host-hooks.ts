import type * as pulumi from "@pulumi/pulumi";

/** What runs right before something is bought. Anything it throws stops the creation. */
export type BeforeCreate = () => Promise<void>;

/**
 * Hooks that run `check` once, however many resources wait for it. They run when the engine is about to create, never in
 * an update without changes: a check may cost requests.
 */
export function beforeCreateHooks(check: BeforeCreate | undefined): pulumi.ResourceHookBinding | undefined {
  if (!check) return undefined;
  let running: Promise<void> | undefined;
  return {
    beforeCreate: [
      async () => {
        running ??= check();
        await running;
      },
    ],
  };
}
