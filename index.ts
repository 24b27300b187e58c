import * as pulumi from "@pulumi/pulumi";
import { Host } from "./components/index.ts";
import { withoutStack } from "./components/internal/run-error.ts";
import { loadProgram } from "./core/tasks/program.ts";

const { settings, warnings, ...local } = await loadProgram({
  stack: pulumi.getStack(),
  config: pulumi.runtime.allConfig(),
  folder: process.cwd(),
  environment: process.env,
  dryRun: pulumi.runtime.isDryRun(),
}).catch(withoutStack);

for (const warning of warnings) await pulumi.log.warn(warning);
const host = new Host(settings.host, { settings, ...local });

export const serverId = host.serverId;
export const ipv4 = host.ipv4;
export const ipv6 = host.ipv6;
export const ageRecipient = host.recipient;
export const installId = host.installId;
