import type * as pulumi from "@pulumi/pulumi";
import { Host, HostFirewall, Lockdown, NixosInstall } from "../components/index.ts";
import type { Environment } from "../core/base/machine/environment.ts";
import { hostArgs } from "./host-args.ts";

/**
 * The library's component for each class that `components.ts` declares. Inputs come from another language, and have whatever types
 * they have: the components check each value.
 */
export const constructors: Readonly<Record<string, Constructor>> = {
  Host: async (name, inputs, options, environment) => {
    const args = await hostArgs(name, inputs, environment);
    return new Host(name, args, options);
  },
  HostFirewall: (name, inputs, options) => new HostFirewall(name, inputs as never, options),
  NixosInstall: (name, inputs, options) => new NixosInstall(name, inputs as never, options),
  Lockdown: (name, inputs, options) => new Lockdown(name, inputs as never, options),
};

type Constructor = (
  name: string,
  inputs: pulumi.Inputs,
  options: pulumi.ComponentResourceOptions,
  environment: Environment,
) => pulumi.ComponentResource | Promise<pulumi.ComponentResource>;
