import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { project, temporaryFolder } from "../../_project.ts";
import { repository } from "../../_repository.ts";

/** Upstream's project, as far as it is read. */
function upstream(config: object): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "infra/configs"), { recursive: true });
  mkdirSync(join(folder, "infra/documents"));
  writeFileSync(join(folder, "infra/configs/clawdlets.json"), JSON.stringify(config));
  writeFileSync(join(folder, "infra/documents/AGENTS.md"), "agents");
  return folder;
}

const config = {
  schemaVersion: 2,
  fleet: { guildId: "1", bots: ["maren"], botOverrides: { maren: { gatewayPort: 18819 } } },
  hosts: { "web-1": { agentModelPrimary: "zai/glm-4.7" } },
};
const bot = (root: string, ...args: string[]) =>
  execa(join(repository, "bin", "clawdlets"), ["bot", ...args], { cwd: root, reject: false, timeout: 60_000 });

it("makes folders once, says what became of each setting, and changes nothing before", {
  timeout: 120_000,
}, async () => {
  const { root } = project({});
  const from = upstream(config);
  const dry = await bot(root, "import", "--from", from, "--dry-run");
  expect(dry.stdout, dry.stderr).toContain("would make bots/maren/openclaw.json");
  expect(existsSync(join(root, "bots/maren"))).toBe(false);
  const { stdout, exitCode } = await bot(root, "import", "--from", from, "--json");
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    files: ["bots/maren/openclaw.json", "bots/maren/workspace/AGENTS.md"],
    byHand: [{ setting: "fleet.botOverrides.maren.gatewayPort", to: "clawdlets.bots.maren.port" }],
  });
  expect(readFileSync(join(root, "bots/maren/openclaw.json"), "utf8")).toContain('"primary": "zai/glm-4.7"');
  const again = await bot(root, "import", "--from", from);
  expect({ code: again.exitCode, text: again.stderr }).toMatchObject({
    code: 3,
    text: expect.stringContaining("bots/maren/openclaw.json: already exists."),
  });
});

it.each([
  ["a folder without it", () => temporaryFolder(), "there is no "],
  ["no fleet", () => upstream({ schemaVersion: 2, hosts: {} }), "it has no fleet"],
])("refuses %s", { timeout: 60_000 }, async (_, from, words) => {
  const { exitCode, stderr } = await bot(project({}).root, "import", "--from", from());
  expect({ exitCode, stderr }).toEqual({ exitCode: 3, stderr: expect.stringContaining(words) });
});
