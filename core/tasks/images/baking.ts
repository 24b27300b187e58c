import { join } from "node:path";
import { waitForActions } from "../../base/hetzner/actions.ts";
import { answerOf, type Hetzner } from "../../base/hetzner/client.ts";
import { allServerTypes } from "../../base/hetzner/pages.ts";
import { addressesOf } from "../../base/hetzner/public-addresses.ts";
import { readBootstrapKeys } from "../../host/install/bootstrap-keys.ts";
import { bootstrapUserData } from "../../host/install/user-data.ts";
import { isOnSale } from "../../host/server/catalogue.ts";
import { typesOf } from "../../host/server/choices.ts";
import { monthlyLimit } from "../../host/server/cost-limit.ts";
import { poolProblems } from "../../host/server/pool.ts";
import { isOnlyIpv6 } from "../../project/firewall/only-ipv6.ts";
import type { HostLayout, Layout } from "../../project/layout.ts";
import type { HostSettings } from "../../project/settings/host.ts";
import { defaultImage } from "../../project/settings/stack-config/stack-config.ts";

/** Seconds. */
const createSeconds = 300;

/** What a bake keeps on this machine: keys and files of its own, so that those of the host stay untouched. */
export function bakeFiles<Own extends Pick<HostLayout, "dir">>(own: Own) {
  const folder = join(own.dir, "image");
  return {
    folder,
    /** Which bake the folder belongs to. */
    runFile: join(folder, "run"),
    files: {
      ...own,
      bootstrapClientKey: join(folder, "client"),
      bootstrapHostKey: join(folder, "host"),
      journal: join(folder, "bake.json"),
      staging: join(folder, "staging"),
    },
  };
}

/** The temporary server. */
export interface Order {
  type: string;
  location: string;
  /** The system image that it starts from. */
  base: string;
}

/** The first of the host's types and locations that is in stock. Two requests to Hetzner at most. */
export async function orderFor(hetzner: Hetzner, settings: HostSettings, layout: Layout) {
  const types = await allServerTypes(hetzner);
  const problems = poolProblems(types, settings, monthlyLimit(layout));
  const locations = settings.locations ?? [settings.location];
  const [first = { type: settings.serverType, location: settings.location }] = typesOf(settings).flatMap((name) => {
    const type = types.find((each) => each.name === name);
    return type ? locations.filter((each) => isOnSale(type, each)).map((location) => ({ type: name, location })) : [];
  });
  // A snapshot of ours has no cloud-init.
  const base = /^[0-9]+$/.test(settings.image) ? defaultImage : settings.image;
  return { problems, order: { ...first, base } satisfies Order };
}

interface Purchase {
  host: string;
  order: Order;
  files: HostLayout;
  /** Of everything that is bought. */
  labels: Record<string, string>;
  adminCidrs: readonly string[];
  signal: AbortSignal;
}

/**
 * Orders the server behind a firewall that lets the admin networks reach TCP/22. It never gets a secret, and no IPv4 address that nobody
 * could use.
 */
export async function buyServer(hetzner: Hetzner, { host, order, files, labels, adminCidrs, signal }: Purchase) {
  const keys = readBootstrapKeys(files);
  if (!keys) throw new Error("bakes without keys");
  const name = `${host}-image`;
  const { ssh_key } = await answerOf(
    "create the one-time key",
    hetzner.POST("/ssh_keys", { body: { name, labels, public_key: keys.clientPublicKey } }),
  );
  const { firewall } = await answerOf(
    "create the firewall of the temporary server",
    hetzner.POST("/firewalls", {
      body: {
        name,
        labels,
        rules: [{ direction: "in", protocol: "tcp", port: "22", source_ips: [...adminCidrs] }],
      },
    }),
  );
  const what = "create the temporary server";
  const answer = await answerOf(
    what,
    hetzner.POST("/servers", {
      body: {
        name,
        labels,
        server_type: order.type,
        start_after_create: true,
        automount: false,
        location: order.location,
        image: order.base,
        ssh_keys: ssh_key ? [String(ssh_key.id)] : [],
        firewalls: firewall ? [{ firewall: firewall.id }] : [],
        user_data: bootstrapUserData(keys),
        ...(isOnlyIpv6(adminCidrs) && { public_net: { enable_ipv4: false, enable_ipv6: true } }),
      },
    }),
  );
  const actions = [answer.action, ...answer.next_actions];
  await waitForActions(hetzner, actions, { what, timeoutSeconds: createSeconds, signal });
  return { serverId: answer.server.id, address: addressesOf(answer.server)[0] ?? "" };
}
