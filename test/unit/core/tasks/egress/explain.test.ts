import { expect, it } from "vitest";
import { addBot } from "../../../../../core/tasks/bots/add.ts";
import { channels } from "../../../../../core/tasks/bots/new-config.ts";
import { domainsOf, explainEgress } from "../../../../../core/tasks/egress/explain.ts";
import { project, stackFile } from "../../../../_project.ts";

const host = "clawdbot-fleet-host";

it.each(channels)("knows everything that a new bot with the channel %s needs", async (channel) => {
  const layout = project();
  await addBot({ layout, bot: "maren", channel, model: "anthropic/claude-sonnet-4-6", dryRun: false });
  const bots = explainEgress(layout, undefined);
  expect(bots.map(({ bot, unknown }) => ({ bot, unknown }))).toEqual([{ bot: "maren", unknown: [] }]);
  expect(domainsOf(bots)).toContain("api.anthropic.com");
  expect(domainsOf(bots).length > 1).toBe(channel !== "none");
});

it("is about one host's bots, and says which have no folder", async () => {
  const layout = project({ stackFile: `${stackFile}  clawdlets:bots: [rex]\n` });
  await addBot({ layout, bot: "maren", channel: "none", model: "openai/x", dryRun: false });
  expect(explainEgress(layout, host)).toEqual([{ bot: "rex", hasFolder: false, needed: [], unknown: [] }]);
  expect(explainEgress(layout, undefined).map(({ bot, hasFolder }) => [bot, hasFolder])).toEqual([
    ["maren", true],
    ["rex", false],
  ]);
});
