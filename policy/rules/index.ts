import type { Rule } from "../rule.ts";
import { commandRerunsInstall } from "./command-reruns-install.ts";
import { costAboveLimit } from "./cost-above-limit.ts";
import { danglingWindow } from "./dangling-window.ts";
import { deprecatedTypeOrImage } from "./deprecated-type-or-image.ts";
import { labelsMissing } from "./labels-missing.ts";
import { secretInPlainSight, secretInStackConfig } from "./secret-in-plain-sight.ts";
import { serverReplaceable, serverUnprotected } from "./server-unprotected.ts";
import { serverWithoutFirewall } from "./server-without-firewall.ts";
import { sshOpenAtRest } from "./ssh-open-at-rest.ts";
import { sshOpenTogether, sshOpenToTheWorld } from "./ssh-open-to-the-world.ts";

/** Every rule, grouped by subject. */
export const rules: readonly Rule[] = [
  sshOpenToTheWorld,
  sshOpenTogether,
  sshOpenAtRest,
  danglingWindow,
  serverWithoutFirewall,
  serverUnprotected,
  serverReplaceable,
  commandRerunsInstall,
  secretInPlainSight,
  secretInStackConfig,
  deprecatedTypeOrImage,
  costAboveLimit,
  labelsMissing,
];
