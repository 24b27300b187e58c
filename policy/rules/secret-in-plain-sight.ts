import { parse } from "yaml";
import { z } from "zod";
import { resourceTypes } from "../../core/base/hetzner/resource-types.ts";
import { type SecretSearch, secretKindsIn } from "../../core/project/secrets/token-shapes.ts";
import { isServer } from "../firewalls.ts";
import { type Finding, type PlannedResource, recordOf, rule, type StackFacts, textOf, textsIn } from "../rule.ts";

const settings = z.object({
  canaries: z
    .array(z.string())
    .default(["canary-discord-token", "tskey-auth-canary", "github_pat_canary", "CLAWDLETS-CANARY"])
    .describe("canary values; if one shows up anywhere, a secret has leaked"),
  minEntropy: z
    .number()
    .default(4.3)
    .describe("entropy in bits per character above which 32 or more letters and digits count as random; 8: never"),
});

const reason =
  "Every process on the server can read user_data, everyone in the project can read labels, the inputs of a Command are in the state and its environment in the process list, and a stack file is public.";

export const secretInPlainSight = rule({
  name: "secret-in-plain-sight",
  severity: "critical",
  description: "No secrets in user_data, labels or the inputs of a Command.",
  reason,
  fix: "Deliver it as a sops file (clawdlets secrets edit), and replace its value: consider the current one leaked.",
  settings,
  scope: "resource",
  check: (resources, search) =>
    resources.flatMap((resource) => [
      ...find(resource, "labels", resource.props["labels"], search),
      ...(isServer(resource) ? find(resource, "userData", withoutOneTimeKeys(resource), search) : []),
      ...(isCommand(resource) ? commandInputs.flatMap((key) => find(resource, key, resource.props[key], search)) : []),
    ]),
});

export const secretInStackConfig = rule({
  name: "secret-in-stack-config",
  severity: "critical",
  description: "No setting of the stack holds a plain-text secret.",
  reason: "Stack files are committed, and this repository may be public.",
  fix: "Remove it from the stack file and the git history, replace its value, and store the new one in .clawdlets (docs/secrets.md).",
  settings,
  scope: "stack",
  check: (_resources, search, stack) =>
    Object.entries(stack.clear ?? likelyClear(stack)).flatMap(([key, value]) =>
      secretKindsIn(value, search).map((kind) => ({ message: `the setting ${key} holds ${kind} (not shown)` })),
    ),
});

/** Without the file: our own settings are rarely encrypted; of others, only what is known to be in the clear. */
function likelyClear({ config, secretKeys }: StackFacts): StackFacts["config"] {
  const isClear = (key: string) => (secretKeys ? !secretKeys.includes(key) : key.startsWith("clawdlets:"));
  return Object.fromEntries(Object.entries(config).filter(([key]) => isClear(key)));
}

const commandInputs = [
  "create",
  "update",
  "delete",
  "environment",
  "stdin",
  "triggers",
  "interpreter",
  "dir",
  "connection",
];
const isCommand = ({ type }: PlannedResource) =>
  type === resourceTypes.localCommand || type === resourceTypes.remoteCommand;

function find({ urn }: PlannedResource, property: string, value: unknown, search: SecretSearch): Finding[] {
  return textsIn(value).flatMap(({ path, text }) =>
    secretKindsIn(text, search).map((kind) => ({
      urn,
      message: `${[property, path].filter((each) => each !== "").join(".")} holds ${kind} (${text.length} characters, not shown)`,
    })),
  );
}

/**
 * The user_data without the one private key that belongs there: the temporary host key, worthless once NixOS is installed
 * (core/host/install/user-data.ts). Only in cloud-init's own field for it, and only one ed25519 key.
 */
function withoutOneTimeKeys({ props }: PlannedResource): unknown {
  const text = textOf(props["userData"]);
  if (text === undefined || !text.startsWith("#cloud-config")) return text;
  try {
    const config = recordOf(parse(text));
    const { ed25519_private: _, ...keys } = recordOf(config["ssh_keys"]);
    return { ...config, ssh_keys: keys };
  } catch {
    return text; // Not YAML, so it has no such field, and all of it is searched.
  }
}
