import type { SshRoute } from "../../../core/host/reach/ssh.ts";
import type { Layout } from "../../../core/project/layout.ts";
import { completeSettings } from "../../../core/project/settings/host.ts";
import { stackConfig } from "../../../core/project/settings/stack-config/stack-config.ts";
import { publicKey, recipient } from "../../_project.ts";
import type { NixMachine, Operator } from "./_machines.ts";

/** Settings of a host that trusts one key. @param rebuild as in its stack file */
export const settingsOf = (systemKey: string, rebuild: object) =>
  completeSettings(
    "web-1",
    stackConfig.parse({
      serverType: "cx43",
      ageRecipient: recipient,
      sshHostKey: publicKey,
      adminSshKeys: [publicKey],
      systemKeys: [systemKey],
      rebuild,
    }),
  );

export const routeTo = (host: Pick<NixMachine, "port">, layout: Layout, operator: Operator): SshRoute => ({
  address: "127.0.0.1",
  port: host.port,
  user: "root",
  alias: "web-1",
  knownHosts: layout.knownHosts,
  identity: operator.key,
});
