import { parse } from "yaml";
import { z } from "zod";
import { type SecretSearch, secretKindsIn } from "../../core/project/secrets/token-shapes.ts";
import { isServer } from "../firewalls.ts";
import {
  type Finding,
  type PlannedResource,
  recordOf,
  rule,
  type StackFacts,
  textOf,
  textsIn,
  types,
} from "../rule.ts";

const settings = z.object({
  canaries: z
    .array(z.string())
    .default(["canary-discord-token", "tskey-auth-canary", "github_pat_canary", "CLAWDLETS-CANARY"])
    .describe("texts planted on purpose; wherever one shows, a secret got out"),
  minEntropy: z
    .number()
    .default(4.3)
    .describe("bits a character above which a run of 32 and more letters and digits counts as random; 8: never"),
});

const reason =
  "user_data is readable by every process on the server for ever, labels by everybody in the project, inputs of a Command stand in the state and its environment in the process list, and a stack file is public.";

export const secretInPlainSight = rule({
  name: "secret-in-plain-sight",
  severity: "critical",
  description: "No secret stands in user_data, labels or the inputs of a Command.",
  reason,
  mend: "Deliver it as a sops file (clawdlets secrets edit), and replace the one that was here: it has to count as known.",
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
  description: "No setting of the stack is a secret in the clear.",
  reason: "Stack files are committed, and this repository may be public.",
  mend: "Take it out of the stack file and its history, replace it, and put the new one into .clawdlets (docs/secrets.md).",
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
const isCommand = ({ type }: PlannedResource) => type === types.localCommand || type === types.remoteCommand;

function find({ urn }: PlannedResource, property: string, value: unknown, search: SecretSearch): Finding[] {
  return textsIn(value).flatMap(({ path, text }) =>
    secretKindsIn(text, search).map((kind) => ({
      urn,
      message: `${[property, path].filter((each) => each !== "").join(".")} holds ${kind} (${text.length} characters, not shown)`,
    })),
  );
}

/**
 * The user_data without the one private key that has to be there: the host key that is worthless once NixOS is installed
 * (core/host/install/user-data.ts). Only where cloud-init's own place for it is used, and for one ed25519 key.
 */
function withoutOneTimeKeys({ props }: PlannedResource): unknown {
  const text = textOf(props["userData"]);
  if (text === undefined || !text.startsWith("#cloud-config")) return text;
  try {
    const config = recordOf(parse(text));
    const { ed25519_private: _, ...keys } = recordOf(config["ssh_keys"]);
    return { ...config, ssh_keys: keys };
  } catch {
    return text; // No YAML, so there is no such place in it, and all of it is searched.
  }
}
