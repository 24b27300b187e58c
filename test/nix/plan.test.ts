import { expect, it } from "vitest";
import { requiredSecrets } from "../../core/project/secrets/plan.ts";
import { describeWith } from "../_needs.ts";
import { evaluate } from "./_nix.ts";

describeWith({ programs: ["nix-instantiate"] }, "the list of secrets that a host needs", () => {
  it.each([
    { tailnet: "none", bots: [], secrets: [] },
    { tailnet: "tailscale", bots: [], secrets: [] },
    { tailnet: "tailscale", bots: ["maren", "so-nja_2"], secrets: ["openai", "discord_token_maren", "a"] },
  ] as const)("is the same to the operator's side and to the host's: %j", async ({ tailnet, bots, secrets }) => {
    const list = (names: readonly string[]) => `[ ${names.map((name) => `"${name}"`).join(" ")} ]`;
    const inNix = `import ./nix/lib/plan.nix { tailnet = "${tailnet}"; bots = ${list(bots)}; secrets = ${list(secrets)}; }`;
    const here = requiredSecrets({ tailnet, bots: [...bots], secrets: [...secrets] }).map(({ name }) => name);
    expect(await evaluate(inNix)).toEqual(here);
  });
});
