import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { writePrivateFile } from "../../core/base/machine/private-files.ts";
import { findEngine } from "../../engine/find-engine.ts";
import { openStack } from "../../engine/stack.ts";
import { project, temporaryFolder } from "../_project.ts";

const host = "clawdbot-fleet-host";
const canary = "canary-0123456789";

/** How the engine marks a secret in a state, here in plain text: it encrypts it on import. */
const secret = (value: string) => ({
  "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
  plaintext: JSON.stringify(value),
});

it("the engine is asked for outputs once, without secrets, and not for the history", async () => {
  const engine = findEngine(process.cwd());
  if (engine === undefined) throw new Error("no engine: sh scripts/setup.sh");
  const layout = project();
  copyFileSync("Pulumi.yaml", join(layout.root, "Pulumi.yaml"));
  await writePrivateFile(layout.passphrase, "test");
  // The real engine, behind a script that writes down what it is asked.
  const folder = temporaryFolder();
  const [pulumi, calls] = [join(folder, "pulumi"), join(folder, "calls")];
  writeFileSync(pulumi, `#!/bin/sh\necho "$*" >>'${calls}'\nexec '${engine.pulumi}' "$@"\n`, { mode: 0o755 });

  const stack = await openStack(layout, host, { ...engine, pulumi });
  const type = "pulumi:pulumi:Stack";
  const outputs = { ipv4: "203.0.113.7", nested: { token: secret(canary) }, token: secret(canary) };
  const resource = { urn: `urn:pulumi:${host}::clawdlets::${type}::clawdlets-${host}`, custom: false, type, outputs };
  const { version, deployment } = await stack.exportStack();
  await stack.importStack({ version, deployment: { ...deployment, resources: [resource] } });
  writeFileSync(calls, "");

  const found = await stack.outputs();
  expect(await stack.info()).toBeUndefined();
  expect(found["ipv4"]).toEqual({ value: "203.0.113.7", secret: false });
  expect(found["token"]).toEqual({ value: "[secret]", secret: true });
  expect(JSON.stringify(found)).not.toContain(canary);
  const asked = readFileSync(calls, "utf8").trim().split("\n");
  expect(asked).toEqual([expect.stringMatching(/^stack output --json --stack /)]);
});
