import { serverTypeByName } from "../catalog/server-types.ts";
import type { Resources } from "./resources.ts";
import type { Effect, FirewallBinding, FirewallTarget, ServerRecord } from "./types.ts";

/** What a successful action does. A resource deleted meanwhile is not an error: its action just ends. */
export function applyEffect(resources: Resources, effect: Effect): void {
  if (effect.do.startsWith("server.")) applyServerEffect(resources, effect);
  else applyOtherEffect(resources, effect);
}

/** What an action leaves behind that failed half way: a server that was on its way somewhere is off, and a rebuild had begun. */
export function applyFailure(resources: Resources, effect: Effect): void {
  if (effect.do !== "server.rebuilt" && effect.do !== "server.type") return;
  const server = resources.servers.get(effect.server);
  if (server === undefined) return;
  setPower(resources, server, "off", false);
  if (effect.do === "server.rebuilt") server.machine.disk = "empty";
}

function applyServerEffect(resources: Resources, effect: Effect): void {
  if (!("server" in effect) || typeof effect.server !== "number") return;
  const server = resources.servers.get(effect.server);
  if (server === undefined) return;
  switch (effect.do) {
    case "server.created":
      // Firewalls given at creation are in force before the first boot: the only way to be filtered from the start.
      for (const firewall of resources.firewalls.values()) {
        for (const binding of firewall.bindings) if (binding.server === server.id) enforce(binding);
      }
      server.status = "off";
      resources.machines?.freshDisk(server);
      resources.networkChanged();
      return;
    case "server.power":
      setPower(resources, server, effect.to, effect.boot);
      return;
    case "server.rebuilt":
      server.image = effect.image;
      server.userData = effect.userData;
      resources.machines?.freshDisk(server);
      setPower(resources, server, "running", true);
      return;
    case "server.type": {
      const disk = serverTypeByName(effect.serverType)?.disk;
      server.serverType = effect.serverType;
      if (effect.upgradeDisk && disk !== undefined) server.primaryDiskSize = disk;
      // "This copies the content of its disk, and starts it again", as the API description has it.
      setPower(resources, server, "running", true);
      return;
    }
    case "server.backup":
      server.backupWindow = effect.window;
      return;
    case "server.rescue":
      server.rescueEnabled = effect.enabled;
      return;
    case "server.iso":
      server.iso = effect.iso;
      return;
    case "server.protection":
      server.protection = { delete: effect.delete, rebuild: effect.rebuild };
      return;
    case "server.placement":
      server.placementGroup = effect.group;
      // Joining a group may move the server, which starts it: the provider's own tests hold the API to that.
      if (effect.group !== null) setPower(resources, server, "running", true);
      return;
    case "server.attach":
      server.privateNet.push({
        network: effect.network,
        ip: effect.ip,
        aliasIps: effect.aliasIps,
        mac: macOf(server.id, server.privateNet.length),
      });
      return;
    case "server.detach":
      server.privateNet = server.privateNet.filter((net) => net.network !== effect.network);
      return;
    case "server.aliases":
      for (const net of server.privateNet) if (net.network === effect.network) net.aliasIps = effect.aliasIps;
      return;
    default:
      return;
  }
}

function applyOtherEffect(resources: Resources, effect: Effect): void {
  switch (effect.do) {
    case "firewall.rules": {
      const firewall = resources.firewalls.get(effect.firewall);
      if (firewall === undefined) return;
      firewall.activeRules = firewall.rules;
      for (const binding of firewall.bindings) if (binding.enforced) binding.status = "applied";
      resources.networkChanged();
      return;
    }
    case "firewall.apply": {
      const firewall = resources.firewalls.get(effect.firewall);
      for (const binding of firewall?.bindings ?? []) {
        if (effect.servers.includes(binding.server)) enforce(binding);
      }
      resources.networkChanged();
      return;
    }
    case "firewall.remove": {
      const firewall = resources.firewalls.get(effect.firewall);
      if (firewall === undefined) return;
      firewall.targets = firewall.targets.filter(
        (target) => !effect.targets.some((gone) => isSameTarget(target, gone)),
      );
      firewall.inUseUntil = Date.now() + resources.actionMs;
      resources.networkChanged();
      return;
    }
    case "primary_ip.assign": {
      const ip = resources.primaryIps.get(effect.primaryIp);
      if (ip === undefined) return;
      const field = ip.type;
      for (const server of resources.servers.values()) if (server[field] === ip.id) server[field] = null;
      const server = effect.server === null ? undefined : resources.servers.get(effect.server);
      ip.assignee = server?.id ?? null;
      if (server !== undefined) server[field] = ip.id;
      resources.networkChanged();
      return;
    }
    case "volume.attach": {
      const volume = resources.volumes.get(effect.volume);
      if (volume !== undefined) volume.server = effect.server;
      return;
    }
    case "volume.resize": {
      const volume = resources.volumes.get(effect.volume);
      if (volume !== undefined) volume.size = effect.size;
      return;
    }
    case "volume.ready": {
      const volume = resources.volumes.get(effect.volume);
      if (volume !== undefined) volume.status = "available";
      return;
    }
    case "image.ready": {
      const image = resources.images.get(effect.image);
      if (image !== undefined) image.status = "available";
      return;
    }
    default:
      return;
  }
}

function enforce(binding: FirewallBinding): void {
  binding.status = "applied";
  binding.enforced = true;
}

function setPower(resources: Resources, server: ServerRecord, to: "running" | "off", boot: boolean): void {
  server.status = to;
  server.machine.powered = to === "running";
  if (to === "off") resources.machines?.halt(server);
  else if (boot) resources.machines?.boot(server);
}

export function isSameTarget(a: FirewallTarget, b: FirewallTarget): boolean {
  if (a.type === "server") return b.type === "server" && a.server === b.server;
  return b.type === "label_selector" && a.selector === b.selector;
}

function macOf(serverId: number, index: number): string {
  const tail = (serverId * 16 + index).toString(16).padStart(6, "0").slice(-6);
  return `86:00:00:${tail.slice(0, 2)}:${tail.slice(2, 4)}:${tail.slice(4, 6)}`;
}
