import { homedir } from "node:os";
import { basename } from "node:path";
import { expect, it } from "vitest";
import { repository, stackFor } from "../toolchain/_stack.ts";

const program = (library: string) => `
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
${library}
const parent = new pulumi.ComponentResource("lab:index:Parent", "parent");
new command.local.Command("child", { create: "echo done" }, { parent });
`;
const components = `import ${JSON.stringify(`${repository}/components/index.ts`)};`;
const ownStart = `runtime: { name: nodejs, options: { typescript: false, nodeargs: "--import ${repository}/bin/program.mjs" } }`;

async function stateOf(text: string, project?: string) {
  const stack = await stackFor(text, project);
  const { exitCode, all } = await stack.up();
  expect(exitCode, all).toBe(0);
  expect(stack.resources.map(({ type }) => type)).toContain("command:local:Command");
  // Relative ones lead up to the root and down again.
  const paths = [stack.folder, repository, homedir()].map((path) => path.replace(/^\//, ""));
  return { stack, paths: [...paths, "node_modules", "sourcePosition", "stackTrace"] };
}

it("Pulumi's own library writes paths of this machine into the state", { timeout: 60_000 }, async () => {
  const { stack } = await stateOf(program(""));
  // Relative to the stack's folder, if both are below the same one.
  expect(stack.stateText).toContain(`${basename(repository)}/node_modules/`);
});

it("our program keeps none there, not even of the stack itself", { timeout: 60_000 }, async () => {
  const { stack, paths } = await stateOf(program(""), ownStart);
  for (const path of paths) expect(stack.stateText.includes(path), path).toBe(false);
});

it("another program with our components keeps none of its resources", { timeout: 60_000 }, async () => {
  const { stack, paths } = await stateOf(program(components));
  const resources = JSON.stringify(stack.resources.filter(({ type }) => type !== "pulumi:pulumi:Stack"));
  for (const path of paths) expect(resources.includes(path), path).toBe(false);
});
