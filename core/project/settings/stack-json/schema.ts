import { z } from "zod";
import { credentialProblem } from "../../../base/credentials.ts";
import { isBelow } from "../../../base/text/inside.ts";
import { worldOpenReason } from "../../firewall/address-set.ts";
import { cidrProblem } from "../../firewall/cidr.ts";
import { uselessReason } from "../../firewall/useless-networks.ts";
import { hostName } from "../names.ts";
import { sshPubkeyFileProblem } from "../ssh-pubkey-file.ts";

/**
 * Text typed by a person, trimmed. Control characters are refused: Node's file functions throw on NUL.
 * @param problemOf further checks
 * @param pattern a regular expression for the trimmed value, with which editors can do part of these checks
 */
function text(allowed: string, problemOf: (value: string) => string | undefined = () => undefined, pattern?: string) {
  return z
    .string(`allowed: ${allowed}`)
    .trim()
    .min(1, { error: `allowed: ${allowed}`, abort: true })
    .superRefine((value, context) => {
      const control = /\p{Cc}/u.test(value) ? `allowed: ${allowed}, without control characters` : undefined;
      const message = problemOf(value) ?? control;
      if (message !== undefined) context.addIssue({ code: "custom", message });
    })
    .meta(pattern === undefined ? {} : { pattern });
}

function patterned(pattern: RegExp, allowed: string) {
  const problemOf = (value: string) =>
    credentialProblem(value) ?? (pattern.test(value) ? undefined : `allowed: ${allowed}`);
  return text(allowed, problemOf, pattern.source);
}

/** Text that ends up on a command line, where a leading "-" would be read as an option (argument injection). */
const operand = (allowed: string) => patterned(/^[^-\s]/, `${allowed}, not starting with "-"`);

const belowClawdlets = (what: string) => {
  const allowed = `${what} inside .clawdlets, relative to it`;
  const pattern = /^(?!\/|~(\/|\s*$)|\$(HOME|\{HOME\})(\/|\s*$)|\.\.(\/|\s*$)|\.\/?\s*$)\S/.source;
  return text(allowed, (value) => (isBelow(value) ? undefined : `allowed: ${allowed}`), pattern);
};

function worldProblem(cidr: string): string | undefined {
  const reason = worldOpenReason([cidr]);
  return reason === undefined ? undefined : `it ${reason}; use your own address, e.g. 203.0.113.7/32`;
}

function uselessProblem(cidr: string): string | undefined {
  const reason = uselessReason(cidr);
  return reason === undefined ? undefined : `it ${reason}`;
}

const adminCidr = text(
  "your own network, e.g. 203.0.113.7/32",
  (value) => cidrProblem(value) ?? worldProblem(value) ?? uselessProblem(value),
  "^[0-9A-Fa-f.:]+/[0-9]{1,3}$",
);

const sshPubkeyFile = text(
  "the path of an OpenSSH public key file, e.g. ~/.ssh/id_ed25519.pub",
  sshPubkeyFileProblem,
  /^(?!(ssh|ecdsa|sk)-[\w@.-]+ +[A-Za-z0-9+/]{16}|-----BEGIN)\S/.source,
);

const remoteDir = patterned(
  /^\/var\/lib(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._-]+)+$/,
  "a folder on the host that root writes to: absolute, below /var/lib/, without //, ., .. or a trailing slash, " +
    "e.g. /var/lib/clawdlets/secrets/hosts/web-1",
);

/** Descriptions go into the JSON Schema for editors. */
const host = z.strictObject(
  {
    flakeHost: text("a nixosConfigurations attribute of the flake").describe(
      "The nixosConfigurations attribute, often the same as the host's name.",
    ),
    targetHost: operand("an ssh destination such as admin@100.64.0.7")
      .describe(
        "Another way to the running host, tried when tailnet and public address give none: an ssh destination or an alias of ~/.ssh/config.",
      )
      .optional(),
    hetzner: z.strictObject(
      {
        serverType: text("a Hetzner server type, e.g. cx43").describe(
          "Hetzner server type, x86 (CX, CPX, CCX) or ARM (CAX), e.g. cx43. Costs money.",
        ),
      },
      "allowed: an object with serverType",
    ),
    opentofu: z
      .strictObject(
        {
          adminCidr: adminCidr.describe(
            "The network that may reach TCP/22 while the host is installed, e.g. 203.0.113.7/32. Never the whole internet.",
          ),
          sshPubkeyFile: sshPubkeyFile.describe(
            "Path of the operator's public key: absolute, below ~, or relative to the project.",
          ),
        },
        "allowed: an object with adminCidr and sshPubkeyFile",
      )
      .describe("Named after the tool that upstream uses; Pulumi uses the same values."),
    secrets: z.strictObject(
      {
        localDir: belowClawdlets("a folder").describe(
          "Folder of the sops files, inside .clawdlets and relative to it, e.g. secrets/hosts/web-1.",
        ),
        remoteDir: remoteDir.describe(
          "Folder on the host that root writes the sops files to, absolute and below /var/lib/.",
        ),
      },
      "allowed: an object with localDir and remoteDir",
    ),
  },
  "allowed: an object with flakeHost, hetzner, opentofu and secrets",
);

/**
 * `.clawdlets/stack.json` in upstream's schema version 3.
 * @see regenrek/clawdlets b49d4af, docs/stack.md
 */
export const stackJson = z.strictObject(
  {
    $schema: z.string("allowed: the path or URL of a JSON Schema").optional(),
    schemaVersion: z.literal(3, "allowed: 3"),
    base: z
      .strictObject(
        {
          flake: operand("a flake URI, e.g. github:you/hosts")
            .describe("Flake URI without attribute, e.g. github:you/hosts. Default: the repository's own origin.")
            .optional(),
        },
        "allowed: an object with flake",
      )
      .optional(),
    envFile: belowClawdlets("a file")
      .describe("File with the tokens, inside .clawdlets and relative to it. Default: .env.")
      .optional(),
    hosts: z
      .record(hostName, host, "allowed: an object with one entry per host")
      .refine((hosts) => Object.keys(hosts).length > 0, "allowed: at least one host")
      .meta({ description: "One entry per host, under the host's name.", minProperties: 1 }),
  },
  "allowed: an object with schemaVersion and hosts",
);

export type StackJson = z.infer<typeof stackJson>;
export type StackHost = z.infer<typeof host>;

/** Every key of the file, for suggestions. */
export const knownKeys: readonly string[] = [
  ...Object.keys(stackJson.shape),
  ...Object.keys(host.shape),
  ...["flake", "serverType", "adminCidr", "sshPubkeyFile", "localDir", "remoteDir"],
];

/**
 * The same as a JSON Schema (draft 7, which every editor supports), for `.clawdlets/dist/stack.schema.json`. It accepts
 * everything that we accept; only our own validation checks what it cannot express, such as "not the whole internet".
 */
export function stackJsonSchema(): object {
  return z.toJSONSchema(stackJson, {
    target: "draft-7",
    io: "input",
    override: ({ jsonSchema, path }) => {
      // Values are trimmed before they are matched; host names are not.
      if (jsonSchema.pattern === undefined || path.at(-1) === "propertyNames") return;
      jsonSchema.pattern = jsonSchema.pattern.replace(/^\^/, "^\\s*").replace(/\$$/, "\\s*$");
    },
  });
}
