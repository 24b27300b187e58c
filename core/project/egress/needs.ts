import type { OpenclawConfig } from "../bots/config.ts";
import { optionAt } from "../lint/finding.ts";

/** `address`: a URL in the configuration itself. `mcp`: a program that the bot starts. `model`: none is set. */
export type NeedKind = "channel" | "provider" | "search" | "skill" | "plugin" | "mcp" | "address" | "model";

/** Something in a bot's configuration that connects to the internet. */
export interface Need {
  kind: NeedKind;
  /** As the configuration has it, e.g. `discord`; of an address, its option. */
  name: string;
  /** The option that asks for it. */
  option: string;
  /** Of an address, the URL. Not shown: it may hold a password. */
  url?: string;
}

interface Option {
  path: readonly string[];
  value: unknown;
}

/** Everything that is configured and not switched off, each once. nix/lib/egress/needs.nix has the same rules. */
export function needsOf(config: OpenclawConfig): Need[] {
  const found = new Map<string, Need>();
  for (const option of liveOptions([], config)) {
    for (const need of needsOfOption(option, config)) {
      const key = `${need.kind} ${need.name}`;
      if (!found.has(key)) found.set(key, need);
    }
  }
  if (!hasModel(config)) {
    found.set("model", { kind: "model", name: "OpenClaw's default", option: "agents.defaults.model" });
  }
  return [...found.values()];
}

/** Every option, except below an object that says `enabled: false`. */
function* liveOptions(path: readonly string[], value: unknown): Generator<Option> {
  if (optionAt(value, "enabled") === false) return;
  yield { path, value };
  if (typeof value !== "object" || value === null) return;
  for (const [key, child] of Object.entries(value)) yield* liveOptions([...path, key], child);
}

const isObject = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);
const startsWith = (path: readonly string[], ...start: string[]) => start.every((key, index) => path[index] === key);
const endsWith = (path: readonly string[], ...end: string[]) =>
  path.length >= end.length && startsWith(path.slice(-end.length), ...end);
const isChildOf = (path: readonly string[], ...parent: string[]) =>
  path.length === parent.length + 1 && startsWith(path, ...parent);

function* needsOfOption({ path, value }: Option, config: OpenclawConfig): Generator<Need> {
  const option = path.join(".");
  const key = path.at(-1) ?? "";
  const need = (kind: NeedKind, name: string): Need => ({ kind, name, option });
  const provider = function* (name: string) {
    if (!hasOwnAddress(config, name)) yield need("provider", name);
  };
  if (isObject(value)) {
    if (isChildOf(path, "channels") && key !== "defaults" && key !== "modelByChannel") yield need("channel", key);
    if (isChildOf(path, "models", "providers")) yield* provider(key);
    if (isChildOf(path, "plugins", "entries")) yield need("plugin", key);
    if (isChildOf(path, "mcp", "servers") && typeof optionAt(value, "command") === "string") yield need("mcp", key);
  }
  // The models that a person may switch to.
  if (path[0] === "agents" && path.at(-2) === "models") yield* providersIn(key).flatMap((name) => [...provider(name)]);
  if (typeof value !== "string") return;
  if (isModel(path)) yield* providersIn(value).flatMap((name) => [...provider(name)]);
  if (isProvider(path)) yield* provider(value);
  if (option === "tools.web.search.provider") yield need("search", value);
  if (isAddress(path)) yield { kind: "address", name: option, option, url: value };
  if (isChildOf(path, "plugins", "allow")) yield need("plugin", value);
  if ((path[0] === "agents" && path.at(-2) === "skills") || isChildOf(path, "skills", "allowBundled")) {
    yield need("skill", value);
  }
}

/** `agents.defaults.model.primary`, `hooks.gmail.model`, `channels.modelByChannel.discord.1` … but not the catalogue of models. */
function isModel(path: readonly string[]): boolean {
  return path[0] !== "models" && path.some((key) => /^model$|Model$|^modelByChannel$|^mediaModels$/.test(key));
}

function isProvider(path: readonly string[]): boolean {
  const isMedia = startsWith(path, "tools", "media") && path.at(-1) === "provider";
  return isMedia || endsWith(path, "tts", "provider") || endsWith(path, "memory", "search", "provider");
}

function isAddress(path: readonly string[]): boolean {
  const isServer = path.length === 4 && startsWith(path, "mcp", "servers") && path[3] === "url";
  return isServer || path.at(-1) === "baseUrl" || path.at(-1) === "homeserver";
}

/** The provider of `provider/model`. */
const providersIn = (model: string): string[] => /^([a-z0-9][a-z0-9._-]*)\/./s.exec(model)?.slice(1) ?? [];

/** A provider whose address is in the file needs that one. */
const hasOwnAddress = (config: OpenclawConfig, name: string) =>
  typeof optionAt(config, "models", "providers", name, "baseUrl") === "string";

function hasModel(config: OpenclawConfig): boolean {
  const model = optionAt(config, "agents", "defaults", "model");
  return typeof model === "string" || typeof optionAt(model, "primary") === "string";
}
