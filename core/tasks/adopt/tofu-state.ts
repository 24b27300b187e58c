import { relative } from "node:path";
import { z } from "zod";
import { SettingsError } from "../../base/errors.ts";
import { readPublicFile } from "../../base/machine/private-files.ts";
import type { Objection } from "../../base/problem.ts";
import { parseJsonText } from "../../base/text/json-text.ts";
import type { Layout } from "../../project/layout.ts";

/** The parts of an OpenTofu state that are read here; version 4 since Terraform 0.12. */
const state = z.looseObject({
  version: z.literal(4),
  resources: z.array(
    z.looseObject({
      module: z.string().optional(),
      mode: z.string(),
      type: z.string(),
      name: z.string(),
      instances: z
        .array(
          z.looseObject({
            index_key: z.union([z.string(), z.number()]).optional(),
            /** An old object that a replacement left behind under the same address. */
            deposed: z.string().optional(),
            attributes: z.looseObject({}).default({}),
          }),
        )
        .default([]),
    }),
  ),
});

const made = z.looseObject({ id: z.string().regex(/^[1-9][0-9]*$/), name: z.string() });
const madeServer = made.extend({ firewall_ids: z.array(z.number()).nullish() });

/** One object of the state, with the address that OpenTofu shows. */
interface Instance {
  address: string;
  type: string;
  attributes: Record<string, unknown>;
}

/** The resources that upstream's OpenTofu module created for one host: `hcloud_server.vm` and `hcloud_firewall.fw`. */
export interface MadeByTofu {
  serverId: number;
  firewallId: number;
  /** The state file, relative to the project. */
  where: string;
  /** Addresses of both in the state, for removing them from it. */
  addresses: string[];
  /** Everything else that the state manages, including other hosts, e.g. `hcloud_volume.data (data, 4711)`. */
  others: string[];
}

/** Upstream's path of the state (b49d4af, infra/opentofu/README.md). */
export const tofuStateFile = "infra/opentofu/terraform.tfstate";

/** The command that writes a plaintext copy of the state, regardless of OpenTofu's backend and encryption. */
const pull =
  "tofu -chdir=infra/opentofu state pull > .clawdlets/plain.tfstate, then --tfstate .clawdlets/plain.tfstate";

/**
 * Finds the server and the firewall of one host in an OpenTofu state. Only ids and names are taken from it; everything else comes
 * from Hetzner.
 * @param file absolute path
 * @throws SettingsError if the file, the server or its firewall is missing, or there are several
 */
export function readTofuState(layout: Layout, host: string, file: string): MadeByTofu {
  const where = relative(layout.root, file);
  const refuse = (setting: string, problem: string, fix?: string) =>
    new SettingsError([{ code: "file-invalid", subject: where, setting, problem, ...(fix !== undefined && { fix }) }]);
  const instances = instancesOf(contentOf(file, where), where);
  const servers = found(instances, "hcloud_server", madeServer);
  const [server, another] = servers.filter(({ name }) => name === host);
  if (!server) {
    const names = servers.map(({ name }) => name).join(", ");
    throw refuse(
      "hcloud_server",
      `has no server "${host}"; it has ${names || "none"}.`,
      "Check if it was destroyed, or if the host has a different name.",
    );
  }
  if (another) throw refuse("hcloud_server", `has two servers "${host}" (${server.id}, ${another.id}).`);
  const firewalls = found(instances, "hcloud_firewall", made).filter(({ id }) =>
    server.firewall_ids?.includes(Number(id)),
  );
  const [firewall, second] = firewalls;
  if (!firewall || second) {
    const names = firewalls.map(({ name, id }) => `${name} (${id})`).join(", ") || "none";
    throw refuse("hcloud_firewall", `server "${host}" needs exactly one firewall of this state; it has ${names}.`);
  }
  const taken = [server.instance, firewall.instance];
  return {
    serverId: Number(server.id),
    firewallId: Number(firewall.id),
    where,
    addresses: taken.map(({ address }) => address),
    others: instances.filter((each) => !taken.includes(each)).map(inWords),
  };
}

function contentOf(file: string, where: string): unknown {
  const refuse = (objection: Objection) => new SettingsError([{ subject: where, ...objection }]);
  const text = readPublicFile(file);
  if (text === undefined) {
    throw refuse({
      code: "file-missing",
      problem: "there is no such file.",
      fix: `Upstream keeps it at ${tofuStateFile}; name another with --tfstate.`,
    });
  }
  if (text.trim() === "") {
    throw refuse({
      code: "file-invalid",
      problem: "is empty, as OpenTofu leaves it after the state was moved to a backend.",
      fix: `Fetch it: ${pull}.`,
    });
  }
  const { value, problems } = parseJsonText(text, where);
  if (problems.length > 0) throw new SettingsError(problems);
  const reason = unreadable(value);
  if (reason) throw refuse(reason);
  return value;
}

/** Recognizes files of OpenTofu (upstream b49d4af or later) that are not a plaintext state, by their keys. */
function unreadable(value: unknown): Objection | undefined {
  const keys: Record<string, unknown> = typeof value === "object" && value !== null ? { ...value } : {};
  if ("encrypted_data" in keys) {
    return {
      code: "file-invalid",
      problem: "is encrypted, and only OpenTofu can decrypt it.",
      fix: `On a machine with its key, write a plaintext copy: ${pull}. Delete that file afterwards.`,
    };
  }
  if ("backend" in keys) {
    return { code: "file-invalid", problem: "does not have the state, only its backend.", fix: `Fetch it: ${pull}.` };
  }
  const { version } = keys;
  if (typeof version !== "number" || version === 4) return undefined;
  const fix =
    version > 4
      ? "It was written by an OpenTofu newer than this version supports. Update clawdlets."
      : 'Make OpenTofu rewrite it with "tofu apply -refresh-only", which only changes the state.';
  return { code: "wrong-version", problem: `is a state of version ${version}; allowed: 4.`, fix };
}

/** All managed resources. Data sources (`data`) are only read by OpenTofu, so there is nothing to adopt. */
function instancesOf(content: unknown, where: string): Instance[] {
  const parsed = state.safeParse(content);
  if (!parsed.success) {
    const [reason] = z.prettifyError(parsed.error).split("\n");
    throw new SettingsError([
      {
        code: "file-invalid",
        subject: where,
        problem: `is not an OpenTofu state (${reason}); allowed: version 4.`,
      },
    ]);
  }
  return parsed.data.resources
    .filter(({ mode }) => mode === "managed")
    .flatMap(({ module, type, name, instances }) =>
      instances.map(({ index_key: key, deposed, attributes }) => {
        const index = key === undefined ? "" : `[${JSON.stringify(key)}]`;
        const left = deposed === undefined ? "" : ` (deposed ${deposed})`;
        return { address: `${module ? `${module}.` : ""}${type}.${name}${index}${left}`, type, attributes };
      }),
    );
}

function found<T extends z.ZodType>(instances: Instance[], type: string, shape: T) {
  return instances
    .filter((each) => each.type === type)
    .flatMap((instance) => {
      const { data } = shape.safeParse(instance.attributes);
      return data === undefined ? [] : [{ ...data, instance }];
    });
}

function inWords({ address, attributes: { name, id } }: Instance): string {
  const words = [name, id].filter((each) => typeof each === "string" || typeof each === "number");
  return words.length === 0 ? address : `${address} (${words.join(", ")})`;
}
