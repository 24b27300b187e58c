import { z } from "zod";
import { resourceTypes } from "../../core/base/hetzner/resource-types.ts";
import { listOf, rule, textOf, unknown } from "../rule.ts";

export const commandRerunsInstall = rule({
  name: "command-reruns-install",
  severity: "critical",
  description: "A Command that installs a system runs again only for a new installation id.",
  reason:
    "Without `update`, a Command runs `create` again when any of its inputs changes, including an environment variable or a path: a running host would be wiped.",
  fix: 'Set update: ":" and triggers: [installId], as components/nixos-install.ts does.',
  settings: z.object({
    installers: z
      .array(z.string())
      .default([
        "clawdlets install",
        "nixos-anywhere",
        "nixos-install",
        "kexec",
        "disko",
        "installimage",
        "mkfs",
        "dd of=/dev/",
      ])
      .describe("text in a command that means an installation"),
  }),
  scope: "resource",
  check: (resources, { installers }) =>
    resources
      .filter(({ type }) => type === resourceTypes.localCommand || type === resourceTypes.remoteCommand)
      .flatMap(({ urn, props }) => {
        const installs = (value: unknown) => installers.find((each) => textOf(value)?.includes(each));
        const what = installs(props["create"]);
        const again = installs(props["update"]);
        if (again !== undefined) return [{ urn, message: `its update runs "${again}" whenever an input changes` }];
        if (what === undefined) return [];
        if (props["update"] === undefined)
          return [{ urn, message: `would run "${what}" again whenever an input changes: it has no update` }];
        const odd = listOf(props["triggers"]).filter(
          (each) => each !== unknown && !/^[0-9a-f]{16}$/.test(String(each)),
        );
        if (odd.length === 0) return [];
        return [
          { urn, message: `would run "${what}" again whenever a trigger other than the installation id changes` },
        ];
      }),
});
