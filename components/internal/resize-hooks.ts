import * as pulumi from "@pulumi/pulumi";
import { powerCut, type ResizeGuard } from "../../core/host/server/resize-guard.ts";

/** Where Hetzner cannot be asked, as in a preview without a token. */
export const announceOnly: ResizeGuard = {
  before: async ({ from, to }) => [powerCut(from, to)],
  failed: async () => undefined,
};

const server = "hcloud:index/server:Server";

/**
 * hcloud 1.68.0 cuts the server's power before it asks for another type, and leaves it off when that is refused
 * (hetznercloud/terraform-provider-hcloud#80). So a preview says that power is cut, the guard refuses what cannot be done, and
 * a server that was left off all the same is switched on.
 */
export function resizeHooks(
  name: string,
  host: string,
  guard: ResizeGuard,
  given: pulumi.ResourceHookBinding = {},
): pulumi.ResourceHookBinding {
  const before = new pulumi.ResourceHook(
    `${name}-resize`,
    async ({ id, type, oldInputs, oldOutputs, newInputs }) => {
      if (type !== server) return;
      const from = oldOutputs?.["serverType"] ?? oldInputs?.["serverType"];
      const to = newInputs?.["serverType"];
      if (typeof from !== "string" || typeof to !== "string" || from === to) return;
      for (const effect of await guard.before({ serverId: Number(id), from, to }))
        await pulumi.log.warn(`${host}: ${effect}`);
    },
    { onDryRun: true },
  );
  const failed = new pulumi.ErrorHook(`${name}-left-off`, async ({ id, type, failedOperation }) => {
    if (type !== server || failedOperation !== "update") return false;
    const done = await guard.failed(Number(id));
    if (done !== undefined) await pulumi.log.warn(`${host}: ${done}`);
    return false; // Once more would end the same.
  });
  return {
    ...given,
    beforeUpdate: [...(given.beforeUpdate ?? []), before],
    onError: [...(given.onError ?? []), failed],
  };
}

/** A server that is off answers nobody, and no input of its resource says so. */
export function warnOfServerThatIsOff(host: string, status: pulumi.Output<string>): void {
  status.apply(async (seen) => {
    if (seen !== "off") return;
    await pulumi.log.warn(`${host}: the server is switched off. Switch it on: clawdlets up --host ${host}`);
  });
}
