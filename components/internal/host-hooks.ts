import * as pulumi from "@pulumi/pulumi";

/** What runs right before something is bought. Anything it throws stops the creation. */
export type BeforeCreate = () => Promise<void>;

/**
 * Hooks around whatever is bought for a host. `check` runs once, however many resources wait for it, when the engine is about to
 * create, never in an update without changes: a check may cost requests. And where Hetzner says that a name is taken, which is
 * how the engine finds out that a run was killed after it had asked, it is said what takes that over.
 */
export function buyingHooks(name: string, host: string, check: BeforeCreate | undefined): pulumi.ResourceHookBinding {
  const taken = new pulumi.ErrorHook(`${name}-taken`, async ({ errors, failedOperation }) => {
    if (failedOperation === "create" && errors.some((error) => error.includes("uniqueness_error"))) {
      await pulumi.log.error(
        `${host}: Hetzner has one of this name already. Made by a run that was killed, it is taken over by: clawdlets up --host ${host}. Otherwise it is somebody else's: choose another name.`,
      );
    }
    return false; // Once more would end the same.
  });
  if (!check) return { onError: [taken] };
  let running: Promise<void> | undefined;
  return {
    beforeCreate: [
      async () => {
        running ??= check();
        await running;
      },
    ],
    onError: [taken],
  };
}
