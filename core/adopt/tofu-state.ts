import { relative } from "node:path";
import { z } from "zod";
import { type Problem, SettingsError } from "../errors.ts";
import type { Layout } from "../local/layout.ts";
import { readPublicFile } from "../local/private-files.ts";
import { parseJsonText } from "../settings/json-text.ts";

/** As OpenTofu writes it; version 4 since Terraform 0.12. Only what is looked at. */
const state = z.looseObject({
  version: z.literal(4),
  resources: z.array(
    z.looseObject({
      mode: z.string(),
      type: z.string(),
      instances: z.array(z.looseObject({ attributes: z.looseObject({}).default({}) })).default([]),
    }),
  ),
});

const made = z.looseObject({ id: z.string().regex(/^[1-9][0-9]*$/), name: z.string() });
const madeServer = made.extend({ firewall_ids: z.array(z.number()).nullish() });

/** What upstream's OpenTofu module made of one host: `hcloud_server.vm` and `hcloud_firewall.fw`. */
export interface MadeByTofu {
  serverId: number;
  firewallId: number;
}

/** Where upstream keeps it, b49d4af: infra/opentofu/README.md. */
export const tofuStateFile = "infra/opentofu/terraform.tfstate";

/**
 * The server and the firewall of one host in an OpenTofu state. Nothing but ids is taken from it: what they are, Hetzner says.
 * @param file absolute path
 * @throws SettingsError where the file, the server or its firewall is not there, or there are several
 */
export function readTofuState(layout: Layout, host: string, file: string): MadeByTofu {
  const where = relative(layout.root, file);
  const refuse = (setting: string, message: string) => new SettingsError([{ where, setting, message }]);
  const text = readPublicFile(file);
  if (text === undefined) {
    throw refuse(
      "(the whole file)",
      `there is no such file. Upstream keeps it at ${tofuStateFile}; name another with --tfstate.`,
    );
  }
  const { value, problems } = parseJsonText(text, where);
  if (problems.length > 0) throw new SettingsError(problems as Problem[]);
  const parsed = state.safeParse(value);
  if (!parsed.success) {
    throw refuse(
      "(the whole file)",
      `is no state of OpenTofu's (${z.prettifyError(parsed.error).split("\n")[0]}); allowed: version 4.`,
    );
  }
  const all = <T extends z.ZodType>(type: string, shape: T) =>
    parsed.data.resources
      .filter((each) => each.mode === "managed" && each.type === type)
      .flatMap(({ instances }) => instances.flatMap(({ attributes }) => shape.safeParse(attributes).data ?? []));
  const servers = all("hcloud_server", madeServer);
  const [server, another] = servers.filter(({ name }) => name === host);
  if (!server) {
    const names = servers.map(({ name }) => name).join(", ");
    throw refuse(
      "hcloud_server",
      `has no server "${host}"; it has ${names || "none"}. Was it destroyed, or is the host called otherwise?`,
    );
  }
  if (another) throw refuse("hcloud_server", `has two servers "${host}" (${server.id}, ${another.id}).`);
  const firewalls = all("hcloud_firewall", made).filter(({ id }) => server.firewall_ids?.includes(Number(id)));
  const [firewall, second] = firewalls;
  if (!firewall || second) {
    const found = firewalls.map(({ name, id }) => `${name} (${id})`).join(", ") || "none";
    throw refuse("hcloud_firewall", `server "${host}" has to be behind one firewall of this state; it has ${found}.`);
  }
  return { serverId: Number(server.id), firewallId: Number(firewall.id) };
}
