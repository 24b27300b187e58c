import { readFileSync } from "node:fs";
import type * as pulumi from "@pulumi/pulumi";
import { UserError } from "../core/base/errors.ts";
import type { Environment } from "../core/base/machine/environment.ts";
import { didYouMean } from "../core/base/nearest.ts";
import { asUserError } from "../core/base/system-errors.ts";
import { quoted } from "../core/base/wording.ts";
import { constructors } from "./constructors.ts";

/** The schema's part that names a component's inputs and outputs. @see https://www.pulumi.com/docs/iac/using-pulumi/pulumi-packages/schema/ */
interface ComponentSchema {
  inputProperties: Record<string, { type?: string }>;
  requiredInputs: string[];
  properties: Record<string, unknown>;
}

const prefix = "clawdlets:index:";

/** The components as a plugin of Pulumi's engine, which constructs them for programs in other languages. */
export class ComponentPackage implements pulumi.provider.Provider {
  readonly schema = readFileSync(new URL("./schema.json", import.meta.url), "utf8");
  readonly #parsed: { version: string; resources: Record<string, ComponentSchema> } = JSON.parse(this.schema);
  readonly version = this.#parsed.version;

  readonly #environment: Environment;

  /** @param environment with HCLOUD_TOKEN and the like, in addition to `.clawdlets/.env` */
  constructor(environment: Environment) {
    this.#environment = environment;
  }

  async construct(
    name: string,
    type: string,
    inputs: pulumi.Inputs,
    options: pulumi.ComponentResourceOptions,
  ): Promise<pulumi.provider.ConstructResult> {
    const described = this.#parsed.resources[type];
    const construct = constructors[type.slice(prefix.length)];
    if (!described || !construct) {
      throw new Error(
        `there is no ${quoted(type)}; this package has ${Object.keys(this.#parsed.resources).join(", ")}`,
      );
    }
    try {
      checkNames(name, type, inputs, described);
      const component = await construct(name, inputs, options, this.#environment);
      const state = Object.keys(described.properties).map((key) => [key, component[key as keyof typeof component]]);
      return { urn: component.urn, state: Object.fromEntries(state) };
    } catch (error) {
      throw asUserError(error) ?? error;
    }
  }
}

/**
 * The engine passes inputs on unchecked, so a misspelled optional one would be silently ignored.
 * @throws UserError
 */
function checkNames(name: string, type: string, inputs: pulumi.Inputs, described: ComponentSchema): void {
  const subject = `${type.slice(prefix.length)} ${quoted(name)}`;
  const known = Object.keys(described.inputProperties);
  const unknown = Object.keys(inputs).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    const problem = `it has no input ${quoted(unknown)}${didYouMean(unknown, known)}; its inputs: ${known.join(", ")}.`;
    throw new UserError({ code: "unknown-setting", subject, problem });
  }
  const missing = described.requiredInputs.find((key) => inputs[key] === undefined);
  if (missing !== undefined)
    throw new UserError({ code: "missing-setting", subject, problem: `it needs ${quoted(missing)}.` });
}
