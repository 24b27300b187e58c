import { expect, it } from "vitest";
import { plannedSecrets, type RequiredSecret } from "../../core/project/secrets/plan.ts";
import { describeWith } from "../_needs.ts";
import { evaluate } from "./_nix.ts";

describeWith({ programs: ["nix-instantiate"] }, "the list of secrets that a host needs", () => {
  it.each([
    { tailnet: "none", bots: [], secrets: [], folders: {} },
    { tailnet: "tailscale", bots: [], secrets: [], folders: {} },
    {
      tailnet: "tailscale",
      bots: ["maren", "so-nja_2"],
      secrets: ["openai", "discord_token_maren", "a"],
      folders: {},
    },
    { tailnet: "none", bots: ["b", "a", "c"], secrets: ["a_y", "z"], folders: { a: ["a_y", "a_x"], b: ["b_x"] } },
  ] as const)("is the same to the operator's side and to the host's: %j", async (settings) => {
    const { tailnet, bots, secrets } = settings;
    const folders: [string, readonly string[]][] = Object.entries(settings.folders);
    const list = (names: readonly string[]) => `[ ${names.map((name) => `"${name}"`).join(" ")} ]`;
    const inNix = `import ./nix/lib/plan.nix { tailnet = "${tailnet}"; bots = ${list(bots)}; secrets = ${list(secrets)}; botSecrets = { ${folders.map(([bot, names]) => `${bot} = ${list(names)};`).join(" ")} }; }`;
    const secret = (name: string): RequiredSecret => ({ name, kind: "token", purpose: "", example: "" });
    const ofBots = new Map(folders.map(([bot, names]) => [bot, names.map(secret)]));
    const here = plannedSecrets({ tailnet, bots: [...bots], secrets: [...secrets] }, ofBots).map(({ name }) => name);
    expect(await evaluate(inNix)).toEqual(here);
  });
});
