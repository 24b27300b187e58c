import type { Expected } from "../../../../core/host/lockdown/facts.ts";
import { lookAtLockdown } from "../../../../core/host/lockdown/prove.ts";
import { windowLabel } from "../../../../core/host/window/window.ts";
import { layoutOf } from "../../../../core/project/layout.ts";
import type { Access } from "../../../../core/project/settings/access.ts";
import { done, type Lab, newServer, startLab, until } from "../../../emulator/_lab.ts";

export const admin = "127.0.0.1/32"; // This machine, as the emulator sees it.
export const ping = { direction: "in", protocol: "icmp", source_ips: ["0.0.0.0/0", "::/0"] };
export const ssh = (...source_ips: string[]) => ({ direction: "in", protocol: "tcp", port: "22", source_ips });
export const labels = { "managed-by": "clawdlets", "clawdlets-host": "web-1" };
export const windowOf = (host: string) => ({ [windowLabel]: host });

/** One server behind its declared firewall, on an emulated Hetzner. */
export class LockdownLab {
  readonly lab: Lab;
  readonly server: { id: number; ipv4: string };
  readonly firewallId: number;

  private constructor(lab: Lab, server: { id: number; ipv4: string }, firewallId: number) {
    this.lab = lab;
    this.server = server;
    this.firewallId = firewallId;
  }

  static async open(): Promise<LockdownLab> {
    const lab = await startLab();
    const { firewall } = (await done(lab, "POST", "/firewalls", { name: "web-1-fw", labels, rules: [ping] })).body;
    const server = await newServer(lab, "web-1", { labels, firewalls: [{ firewall: firewall.id }] });
    return new LockdownLab(lab, server, firewall.id);
  }

  get expected(): Expected & { firewallId: number } {
    return {
      serverId: this.server.id,
      firewallId: this.firewallId,
      rules: [{ direction: "in", protocol: "icmp", sourceIps: ["::/0", "0.0.0.0/0"] }],
      sshExposure: "tailnet",
      tailnet: "none",
    };
  }

  get access(): Access {
    const { endpoint, token, sshPort } = this.lab.emulator;
    return {
      endpoint,
      token,
      sshPort,
      tailscale: "false",
      adminCidrs: [admin],
      sshPubkeyFile: undefined,
      problems: [],
    };
  }

  setRules(rules: object[], id = this.firewallId) {
    return done(this.lab, "POST", `/firewalls/${id}/actions/set_rules`, { rules });
  }

  /** One more firewall on the server. @returns its id */
  async addFirewall(name: string, rules: object[], more: object = {}): Promise<number> {
    const apply_to = [{ type: "server", server: { id: this.server.id } }];
    return (await done(this.lab, "POST", "/firewalls", { name, rules, apply_to, ...more })).body.firewall.id;
  }

  detach(id: number) {
    const remove_from = [{ type: "server", server: { id: this.server.id } }];
    return done(this.lab, "POST", `/firewalls/${id}/actions/remove_from_resources`, { remove_from });
  }

  attach(id: number) {
    const apply_to = [{ type: "server", server: { id: this.server.id } }];
    return done(this.lab, "POST", `/firewalls/${id}/actions/apply_to_resources`, { apply_to });
  }

  /** Everything as it was: the declared firewall alone, with its one rule. */
  async reset(): Promise<void> {
    await this.lab.api("POST", "/_emulator/faults", []);
    for (const { id } of (await this.lab.api("GET", "/firewalls")).body.firewalls) {
      if (id === this.firewallId) continue;
      const { applied_to } = (await this.lab.api("GET", `/firewalls/${id}`)).body.firewall;
      if (applied_to.length > 0) {
        const remove_from = applied_to.map(({ applied_to_resources: _, ...target }: Record<string, unknown>) => target);
        await done(this.lab, "POST", `/firewalls/${id}/actions/remove_from_resources`, { remove_from });
      }
      // Hetzner says for a while that it is in use.
      await until(
        `the firewall ${id} is gone`,
        async () => (await this.lab.api("DELETE", `/firewalls/${id}`)).status === 204,
      );
    }
    await this.setRules([ping]);
    const { firewalls } = (await this.lab.api("GET", `/servers/${this.server.id}`)).body.server.public_net;
    if (!firewalls.some(({ id }: { id: number }) => id === this.firewallId)) await this.attach(this.firewallId);
  }

  look(expected: Partial<Expected> = {}, access: Partial<Access> = {}) {
    return lookAtLockdown({
      layout: layoutOf(this.lab.dir),
      host: "web-1",
      access: { ...this.access, ...access },
      expected: { ...this.expected, ...expected },
      tailnetSeconds: 1,
      signal: new AbortController().signal,
      report: () => undefined,
    });
  }
}
