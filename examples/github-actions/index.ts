import { Host, loadHost } from "@clawdlets/infra";
import * as pulumi from "@pulumi/pulumi";

// One stack is one host: stacks/Pulumi.web-1.yaml is both.
const name = pulumi.getStack();
const host = new Host(name, await loadHost(name));

export const ipv4 = host.ipv4;
