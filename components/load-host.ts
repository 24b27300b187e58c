import * as pulumi from "@pulumi/pulumi";
import type { HostArgs } from "./host.ts";
import { withoutStack } from "./internal/run-error.ts";

/** Where to read a host's settings. */
export interface LoadHostOptions {
  /** A folder in the project; its root is the nearest parent with a Pulumi.yaml. @default the working directory */
  folder?: string;
  /** Environment with HCLOUD_TOKEN and the like, in addition to `.clawdlets/.env`. @default `process.env` */
  environment?: Readonly<Record<string, string | undefined>>;
}

/**
 * Loads the settings of one {@link Host}: `stacks/Pulumi.<host>.yaml` and, if it exists, `.clawdlets/`. One stack of your program may
 * hold many hosts, each with its own settings file. Warnings go to Pulumi's log.
 * @throws pulumi.RunError with all problems at once, before anything is registered
 */
export async function loadHost(host: string, options: LoadHostOptions = {}): Promise<HostArgs> {
  const { folder = process.cwd(), environment = process.env } = options;
  // Loaded lazily: some packages behind it read the environment when they are imported.
  const { loadProgram } = await import("../core/tasks/program.ts");
  const asked = { stack: host, folder, environment, dryRun: pulumi.runtime.isDryRun() };
  const { warnings, ...args } = await loadProgram(asked).catch(withoutStack);
  for (const warning of warnings) await pulumi.log.warn(warning);
  return args;
}
