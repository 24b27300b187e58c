import { expect, it } from "vitest";
import { deriveEgress } from "../../../core/project/egress/derive.ts";
import data from "../../../core/project/egress/domains.json" with { type: "json" };
import { describeWith } from "../../_needs.ts";
import fc from "../../_properties.ts";
import { egressCases } from "../../fixtures/bot-egress.ts";
import { evaluate, nixString } from "../_nix.ts";

interface Derived {
  domains: string[];
  unknown: string[];
}

async function inNix(configs: readonly unknown[]): Promise<Derived[]> {
  const json = nixString(JSON.stringify(configs));
  const found = await evaluate(`map (import ./nix/lib/egress/derived.nix) (builtins.fromJSON ${json})`);
  return (found as { domains: string[]; unknown: { kind: string; name: string }[] }[]).map(({ domains, unknown }) => ({
    domains,
    unknown: unknown.map(({ kind, name }) => `${kind} ${name}`).sort(),
  }));
}

function here(config: unknown): Derived {
  const { needed, unknown } = deriveEgress(config as Record<string, unknown>);
  const domains = [...new Set(needed.map(({ domain }) => domain))];
  return { domains, unknown: unknown.map(({ kind, name }) => `${kind} ${name}`).sort() };
}

describeWith({ programs: ["nix-instantiate"] }, "the domains that openclaw.json needs", () => {
  it("are the same to Nix, for every case of the table", async () => {
    const configs = egressCases.map(([, config]) => config);
    expect(await inNix(configs)).toEqual(egressCases.map(([, , domains, unknown]) => ({ domains, unknown })));
  });

  it("are the same to Nix, for made-up configurations", async () => {
    const name = fc.constantFrom("discord", "telegram", "openai", "brave", "github", "pigeon", "toString", "*", "");
    const text = fc.oneof(
      name,
      name.map((each) => `${each}/x`),
      fc.constantFrom(
        "https://a.example/v1",
        "https://A.Example:443",
        "http://a.example",
        "a/b/c",
        "A/b",
        "a\n/b",
        "a/\nb",
      ),
    );
    const key = fc.constantFrom(
      ...[
        "agents",
        "defaults",
        "entries",
        "model",
        "primary",
        "models",
        "imageModel",
        "channels",
        "providers",
        "skills",
      ],
      ...[
        "plugins",
        "allow",
        "enabled",
        "mcp",
        "servers",
        "url",
        "command",
        "baseUrl",
        "homeserver",
        "provider",
        "tts",
      ],
      ...[
        "memory",
        "search",
        "tools",
        "web",
        "media",
        "modelByChannel",
        "discord",
        "openai",
        "openai/x",
        "allowBundled",
      ],
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: "medium", withCrossShrink: true },
        { arbitrary: fc.oneof(text, fc.constantFrom(false, true, null, 1)), weight: 2 },
        { arbitrary: fc.dictionary(key, tie("tree"), { maxKeys: 5 }), weight: 5 },
        { arbitrary: fc.array(tie("tree"), { maxLength: 3 }), weight: 1 },
      ),
    }));
    const part = fc.tuple(
      fc.constantFrom(
        ...["agents.defaults", "agents.entries.a", "channels", "models.providers", "plugins", "mcp.servers", "skills"],
        ...["tools.web.search", "tools.media", "memory.search", "tts", "hooks"],
      ),
      fc.dictionary(key, tree, { maxKeys: 5 }),
    );
    const configs = fc
      .sample(fc.array(part, { maxLength: 5 }), { numRuns: 300, seed: 22 })
      .map((parts) => parts.reduce((config, [path, value]) => put(config, path.split("."), value), {} as Tree));
    const expected = configs.map(here);
    for (let at = 0; at < configs.length; at += 20) {
      expect(await inNix(configs.slice(at, at + 20))).toEqual(expected.slice(at, at + 20));
    }
    expect(expected.filter(({ domains }) => domains.length > 0).length).toBeGreaterThan(80);
    expect(expected.filter(({ unknown }) => unknown.length > 1).length).toBeGreaterThan(80);
  });

  it("are all ones that the proxy's list takes", async () => {
    const { of: _, ...tables } = data;
    const all = Object.values(tables).flatMap((table) =>
      Object.values(table).flatMap(({ domains }) => Object.keys(domains)),
    );
    expect(all.length).toBeGreaterThan(50);
    const list = `[ ${all.map(nixString).join(" ")} ]`;
    expect(await evaluate(`(import ./nix/lib/egress/domains.nix).problems ${list}`)).toEqual([]);
  });
});

type Tree = Record<string, unknown>;

function put(into: Tree, [key = "", ...rest]: string[], value: Tree): Tree {
  const before = (into[key] ?? {}) as Tree;
  return { ...into, [key]: rest.length === 0 ? { ...before, ...value } : put(before, rest, value) };
}
