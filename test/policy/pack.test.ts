import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rules } from "../../policy/index.ts";
import { repository, Stack } from "../toolchain/_stack.ts";
import { canary, discordToken, drawn, guilty, innocent, innocentSettings, planted, token } from "./_stacks.ts";

interface Violation {
  policyName: string;
  message: string;
  enforcementLevel: string;
  resourceUrn?: string;
}

/** One preview on the real engine with `--policy-pack`, and what it said of which resource. */
async function judge(stack: Stack, settings?: object) {
  const packSettings = settings === undefined ? [] : ["--policy-pack-config", "settings.json"];
  if (settings) stack.write("settings.json", JSON.stringify(settings));
  const pack = ["--policy-pack", `${repository}/policy`, ...packSettings];
  stack.env["HCLOUD_TOKEN"] = "x".repeat(64);
  // Only with it the engine takes --event-log, which its automation library uses, too.
  stack.env["PULUMI_DEBUG_COMMANDS"] = "true";
  const { exitCode, all } = await stack.run("preview", "--stack", "s", "--event-log", "events", ...pack);
  const events = readFileSync(`${stack.folder}/events`, "utf8").trim().split("\n");
  const violations = events.flatMap((line): Violation[] => JSON.parse(line).policyEvent ?? []);
  return { exitCode, all, violations };
}

const said = ({ policyName, resourceUrn = "", message }: Violation) =>
  `${policyName} | ${resourceUrn.split("::").at(-1)} | ${message}`;

describe("the policy pack, on the real engine", () => {
  const stacks: Stack[] = [];
  const stackOf = async (program: string) => {
    const stack = new Stack(program);
    stacks.push(stack);
    return stack.init();
  };
  afterAll(() => {
    for (const stack of stacks) stack.remove();
  });

  describe("refuses", () => {
    let found: Awaited<ReturnType<typeof judge>>;
    beforeAll(async () => {
      const stack = await stackOf(guilty);
      await stack.run("config", "set", "clawdlets:flake", `https://x/?token=${token}`, "--stack", "s");
      await stack.run("config", "set", "--plaintext", "hcloud:token", token, "--stack", "s");
      await stack.run("config", "set", "--secret", "clawdlets:kept", token, "--stack", "s");
      found = await judge(stack);
    }, 120_000);

    test.each(planted)("$rule: $resource", ({ rule, resource, message }) => {
      const texts = found.violations.map(said);
      const own = texts.filter((text) => text.startsWith(`${rule} | ${resource} | `) && text.includes(message));
      expect(own, texts.join("\n")).toHaveLength(1);
    });

    test("secret-in-stack-config: tokens in the clear, and not the encrypted one", () => {
      const own = found.violations.filter(({ policyName }) => policyName === "secret-in-stack-config");
      expect(own.map(({ message }) => message).sort()).toEqual([
        expect.stringContaining("the setting clawdlets:flake holds a Hetzner token (not shown)"),
        expect.stringContaining("the setting hcloud:token holds a Hetzner token (not shown)"),
      ]);
    });

    test("nothing that was not planted", () => {
      const expected = [
        ...planted.map(({ rule, resource }) => `${rule} | ${resource}`),
        ...["secret-in-stack-config | lab-s", "secret-in-stack-config | lab-s"],
        // What is open to the world is open at rest as well, rule by rule.
        ...["half-a", "half-b", "opened-by-transform", "two-halves", "two-halves"].map(
          (each) => `ssh-open-at-rest | ${each}`,
        ),
      ];
      const texts = found.violations.map((each) => said(each).split(" | ").slice(0, 2).join(" | "));
      expect([...texts].sort()).toEqual([...expected].sort());
    });

    test("with every rule at least once, each mandatory, with its reason and what to do", () => {
      expect(found.exitCode).not.toBe(0);
      expect([...new Set(found.violations.map(({ policyName }) => policyName))].sort()).toEqual(
        rules.map(({ name }) => name).sort(),
      );
      for (const { policyName, message, enforcementLevel } of found.violations) {
        const rule = rules.find(({ name }) => name === policyName);
        expect(enforcementLevel).toBe("mandatory");
        expect(message).toContain(`Why: ${rule?.reason} Fix: ${rule?.fix}`);
      }
    });

    test("without ever saying the secret", () => {
      for (const secret of [token, discordToken, canary, "k0123456789CNTRL"]) expect(found.all).not.toContain(secret);
    });
  });

  test("says nothing of the same things as they should be", async () => {
    const { exitCode, all, violations } = await judge(await stackOf(innocent), innocentSettings);
    expect(violations.map(said)).toEqual([]);
    expect(exitCode, all).toBe(0);
  }, 120_000);

  test("takes the dearest candidate of a server whose type is drawn at up", async () => {
    const { violations } = await judge(await stackOf(drawn), { "cost-above-limit": { monthlyEur: 40 } });
    expect(violations.map(said)).toEqual([
      expect.stringMatching(
        /^cost-above-limit \| lab-s \| .*69\.99 EUR a month.*drawn-server 69\.99.*the limit is 40/s,
      ),
    ]);
  }, 120_000);

  test("is tuned by settings, and refuses one that no rule knows", async () => {
    const stack = await stackOf(innocent);
    const lowered = await judge(stack, { "cost-above-limit": { monthlyEur: 40, enforcementLevel: "advisory" } });
    expect(lowered.exitCode, lowered.all).toBe(0);
    expect(lowered.violations.map(said)).toEqual([expect.stringContaining("the limit is 40")]);
    const wrong = await judge(stack, { "cost-above-limit": { monthlyEur: "much" } });
    expect(wrong.exitCode).not.toBe(0);
    expect(wrong.all).toMatch(/monthlyEur/);
  }, 120_000);
});
