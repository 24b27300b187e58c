import { expect, it } from "vitest";
import { referencesIn } from "../../../core/project/bots/references.ts";
import { botVariables, secretNameOf } from "../../../core/project/secrets/bot-variables.ts";
import { describeWith } from "../../_needs.ts";
import fc from "../../_properties.ts";
import { referenceCases } from "../../fixtures/bot-references.ts";
import { evaluate, nixString } from "../_nix.ts";

const lib = "(import ./nix/lib/bot-variables.nix)";

describeWith({ programs: ["nix-instantiate"] }, "the secrets that openclaw.json refers to", () => {
  it("are the same to Nix, for every case of the table", async () => {
    const texts = referenceCases.map(([text]) => nixString(text)).join(" ");
    expect(await evaluate(`map ${lib}.referencesIn [ ${texts} ]`)).toEqual(referenceCases.map(([, names]) => names));
  });

  it("are the same to Nix, for made-up texts", async () => {
    const piece = fc.oneof(
      fc.constantFrom("$", "{", "}", "${A}", "$${B}", "${", "''", "\\", '"', "\n", "_1", "${LONGER_NAME_2}"),
      fc.stringMatching(/^[A-Za-z0-9_${}]{0,6}$/),
      fc.string({ unit: "grapheme", maxLength: 4 }),
    );
    const text = fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join(""));
    const texts = fc
      .sample(text, { numRuns: 600, seed: 22 })
      .filter((each) => each.isWellFormed() && !each.includes("\0"));
    const found = await evaluate(`map ${lib}.referencesIn [ ${texts.map(nixString).join(" ")} ]`);
    const expected = texts.map(referencesIn);
    expect(found).toEqual(expected);
    expect(expected.filter((names) => names.length > 0).length).toBeGreaterThan(100);
  });

  it.each(["DISCORD_BOT_TOKEN", "OPENCLAW_GATEWAY_TOKEN", "OPENAI_API_KEY", "_A1", "X"])(
    "have the same name for %s",
    async (variable) => {
      expect(await evaluate(`${lib}.secretOf "so-nja_2" "${variable}"`)).toBe(secretNameOf("so-nja_2", variable));
    },
  );

  it("include the gateway's token, whether or not the file names it", async () => {
    for (const text of ["{}", "${OPENCLAW_GATEWAY_TOKEN} ${DISCORD_BOT_TOKEN} ${Z_KEY}"]) {
      const bot = { name: "maren", file: "f", references: referencesIn(text), secretNames: {} };
      const here = Object.fromEntries(botVariables(bot).map(({ variable, secret }) => [variable, secret.name]));
      expect(await evaluate(`${lib}.ofBot "maren" ${nixString(text)}`)).toEqual(here);
    }
  });
});
