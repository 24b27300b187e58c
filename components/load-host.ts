import * as pulumi from "@pulumi/pulumi";
import type { HostArgs } from "./host.ts";
import { withoutStack } from "./internal/run-error.ts";

/** Where a host's settings are looked for; given, so that a program may look elsewhere. */
export interface LoadHostOptions {
  /** A folder of the project: the nearest one upwards with a Pulumi.yaml is it. @default the working directory */
  folder?: string;
  /** Where HCLOUD_TOKEN and the like are looked for beside `.clawdlets/.env`. @default `process.env` */
  environment?: Readonly<Record<string, string | undefined>>;
}

/**
 * What {@link Host} needs to know of one host: `stacks/Pulumi.<host>.yaml`, and `.clawdlets/` where it is there. One stack of
 * your program may hold many hosts; their settings stay in a file each. Warnings go to Pulumi's log.
 * @throws pulumi.RunError with everything that is wrong at once, before anything is registered
 */
export async function loadHost(host: string, options: LoadHostOptions = {}): Promise<HostArgs> {
  const { folder = process.cwd(), environment = process.env } = options;
  // Only here: what reads settings and secrets brings packages that look at the environment as they load.
  const { loadProgram } = await import("../core/tasks/program.ts");
  const asked = { stack: host, folder, environment, dryRun: pulumi.runtime.isDryRun() };
  const { warnings, ...args } = await loadProgram(asked).catch(withoutStack);
  for (const warning of warnings) await pulumi.log.warn(warning);
  return args;
}
