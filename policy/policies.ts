import type { EnforcementLevel, Policies, PolicyConfigSchema } from "@pulumi/policy";
import { z } from "zod";
import type { Environment } from "../core/base/machine/environment.ts";
import { plannedInStack, plannedOf } from "./from-engine.ts";
import type { Finding, Rule, StackFacts } from "./rule.ts";
import { rules as ours } from "./rules/index.ts";
import { clearSettings, foldersOfEngine } from "./stack-file.ts";

/**
 * The rules as policies for a `PolicyPack`, ours or a team's own.
 * @param stack the stack to check; {@link stackFacts} reads it from the environment
 * @param rules all of ours by default
 * @param level what a finding does; a rule's setting `enforcementLevel` overrides it
 */
export function policiesOf(
  stack: StackFacts,
  rules: readonly Rule[] = ours,
  level: EnforcementLevel = "mandatory",
): Policies {
  return rules.map((rule) => {
    const common = {
      name: rule.name,
      description: rule.description,
      severity: rule.severity,
      enforcementLevel: level,
      remediationSteps: rule.fix,
      configSchema: configSchemaOf(rule),
    };
    const run = (resources: Parameters<Rule["check"]>[0], config: object): Finding[] =>
      rule.check(resources, settingsOf(rule, config), stack);
    const say = ({ message }: Finding) => `${message}. Why: ${rule.reason} Fix: ${rule.fix}`;
    if (rule.scope === "resource") {
      return {
        ...common,
        validateResource: (args, report) => {
          for (const finding of run([plannedOf(args)], args.getConfig())) report(say(finding));
        },
      };
    }
    return {
      ...common,
      validateStack: (args, report) => {
        for (const finding of run(args.resources.map(plannedInStack), args.getConfig()))
          report(say(finding), finding.urn);
      },
    };
  });
}

/** @throws Error that names the rule and the setting */
function settingsOf(rule: Rule, given: object): Record<string, unknown> {
  const { enforcementLevel: _, ...own } = given as Record<string, unknown>;
  const parsed = z.strictObject(rule.settings.shape).safeParse(own);
  if (parsed.success) return parsed.data;
  const what = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "settings"}: ${message}`).join("; ");
  throw new Error(`Policy "${rule.name}": ${what}. Allowed: ${Object.keys(rule.settings.shape).join(", ") || "none"}.`);
}

function configSchemaOf(rule: Rule): PolicyConfigSchema {
  const { properties = {} } = z.toJSONSchema(rule.settings, { io: "input" });
  return { properties: properties as PolicyConfigSchema["properties"] };
}

/**
 * The stack, as the engine describes it to a policy pack and as its stack file says.
 * @param environment `process.env` of the pack
 * @param folders that may hold the project. @default the working folders of the processes that started the pack
 */
export function stackFacts(
  environment: Environment,
  folders: readonly string[] = foldersOfEngine(environment),
): StackFacts {
  // `null` if the stack has no settings.
  const config: Record<string, string> = JSON.parse(environment["PULUMI_CONFIG"] ?? "null") ?? {};
  // The official language host passes only the values to a pack.
  const secretKeys: string[] | undefined = JSON.parse(environment["PULUMI_CONFIG_SECRET_KEYS"] ?? "null") ?? undefined;
  const name = environment["PULUMI_NODEJS_STACK"] ?? "";
  const project = environment["PULUMI_NODEJS_PROJECT"] ?? "";
  return {
    name,
    project,
    clear: clearSettings({ project, stack: name }, folders),
    config: Object.fromEntries(Object.entries(config).map(([key, value]) => [key.replace(":config:", ":"), value])),
    secretKeys: secretKeys?.map((key) => key.replace(":config:", ":")),
  };
}
