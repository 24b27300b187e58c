import { expect, it } from "vitest";
import { deriveEgress } from "../../../../../core/project/egress/derive.ts";
import { egressCases } from "../../../../fixtures/bot-egress.ts";

it.each(egressCases)("derives the domains of %s", (_, config, domains, unknown) => {
  const derived = deriveEgress(config as Record<string, unknown>);
  expect([...new Set(derived.needed.map(({ domain }) => domain))]).toEqual(domains);
  expect(derived.unknown.map(({ kind, name }) => `${kind} ${name}`).sort()).toEqual(unknown);
});

it("gives each domain with its reason, its option and a page about it", () => {
  const config = { agents: { defaults: { model: "anthropic/x" } }, channels: { telegram: { botToken: "0123456789" } } };
  expect(deriveEgress(config).needed).toEqual([
    {
      kind: "provider",
      name: "anthropic",
      option: "agents.defaults.model",
      domain: "api.anthropic.com",
      why: "models",
      source: "https://docs.openclaw.ai/providers/anthropic",
    },
    {
      kind: "channel",
      name: "telegram",
      option: "channels.telegram",
      domain: "api.telegram.org",
      why: "API and attachments",
      source: "https://docs.openclaw.ai/channels/telegram",
    },
  ]);
});

it("never shows an address, which may hold a password", () => {
  const baseUrl = "https://user:canary-0123456789@a.example/";
  const config = { models: { providers: { lab: { baseUrl } } } };
  expect(JSON.stringify(deriveEgress(config))).not.toContain("canary");
});
