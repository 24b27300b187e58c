import { readFileSync } from "node:fs";
import { Host, loadHost } from "@clawdlets/infra";
import { parse } from "yaml";

interface Entry {
  name: string;
  openPorts?: number[];
}

const world = ["0.0.0.0/0", "::/0"];
const entries: Entry[] = parse(readFileSync("hosts.yaml", "utf8"));

for (const { name, openPorts = [] } of entries) {
  const firewallRules = openPorts.map((port) => ({ protocol: "tcp" as const, port, sourceIps: world }));
  new Host(name, { ...(await loadHost(name)), firewallRules });
}
