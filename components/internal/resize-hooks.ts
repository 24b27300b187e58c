import * as pulumi from "@pulumi/pulumi";
import { resourceTypes } from "../../core/base/hetzner/resource-types.ts";
import { powerCut, type ResizeGuard } from "../../core/host/server/resize-guard.ts";

/** Used if Hetzner cannot be asked, as in a preview without a token. */
export const announceOnly: ResizeGuard = {
  before: async ({ from, to }) => [powerCut(from, to)],
  failed: async () => undefined,
};

const { server } = resourceTypes;

/**
 * hcloud 1.68.0 cuts the server's power before it requests another type, and leaves it off if that is refused
 * (hetznercloud/terraform-provider-hcloud#80). So a preview announces the power cut, the guard refuses impossible changes, and a
 * server that is still left off is switched on.
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
    return false; // A retry would fail, too.
  });
  return {
    ...given,
    beforeUpdate: [...(given.beforeUpdate ?? []), before],
    onError: [...(given.onError ?? []), failed],
  };
}

/** Warns about a server that is off, which none of its inputs shows. */
export function warnOfServerThatIsOff(host: string, status: pulumi.Output<string>): void {
  status.apply(async (seen) => {
    if (seen !== "off") return;
    await pulumi.log.warn(`${host}: the server is switched off. Switch it on: clawdlets up --host ${host}`);
  });
}
