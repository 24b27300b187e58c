import { Host, loadHost } from "@clawdlets/infra";

const host = new Host("web-1", await loadHost("web-1"));

export const ipv4 = host.ipv4;
