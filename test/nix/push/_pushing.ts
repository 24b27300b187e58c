import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { vi } from "vitest";
import { type Rebuilt, rebuild } from "../../../core/host/activation/rebuild.ts";
import type { SshRoute } from "../../../core/host/reach/ssh.ts";
import { type Layout, layoutOf } from "../../../core/project/layout.ts";
import { createSystemKey, type SystemKey } from "../../../core/project/secrets/keys/system-key.ts";
import type { LocalSettings } from "../../../core/project/settings/host.ts";
import { settingsOf } from "./_host-settings.ts";
import { Operator } from "./_machines.ts";

/** A project whose systems the real nix builds and signs on the operator's machine, and copies to web-1. Stubs the environment. */
export class Pushing {
  readonly operator: Operator;
  readonly layout: Layout;
  readonly key: SystemKey;

  /** @param lines of sh that make web-1's system; undefined if it has no system yet */
  static async create(lines?: string): Promise<Pushing> {
    const operator = await Operator.create();
    const layout = layoutOf(operator.flakeFolder);
    mkdirSync(layout.stacks, { recursive: true });
    writeFileSync(join(layout.root, ".gitignore"), ".clawdlets\n");
    writeFileSync(join(layout.stacks, "Pulumi.web-1.yaml"), "config: {}\n");
    if (lines !== undefined) await operator.commit(lines);
    mkdirSync(layout.dir, { mode: 0o700 });
    for (const [name, value] of Object.entries(operator.environment)) vi.stubEnv(name, value);
    return new Pushing(operator, layout, await createSystemKey(layout));
  }

  private constructor(operator: Operator, layout: Layout, key: SystemKey) {
    this.operator = operator;
    this.layout = layout;
    this.key = key;
  }

  /** Rebuilds web-1. @param deadline seconds @returns what came of it, or the error */
  async change(route: SshRoute, deadline: number, report: (text: string) => void): Promise<Rebuilt | Error> {
    return await rebuild({
      layout: this.layout,
      settings: settingsOf(this.key.publicKey, { buildOn: "local" }),
      local: { nix: "nix", sshPubkeyFile: this.operator.publicKey, wanted: {} } as LocalSettings,
      route,
      deadlineSeconds: deadline,
      signal: new AbortController().signal,
      report,
    }).catch((error: Error) => error);
  }
}
