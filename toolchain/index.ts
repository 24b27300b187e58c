export { cacheFolder } from "./cache.ts";
export { type EnsureOptions, ensureEngine } from "./ensure.ts";
export { type Report, ToolchainError, type ToolchainEvent } from "./errors.ts";
export { type NamedParts, withNamedParts } from "./named.ts";
export { type Engine, findEngine } from "./paths.ts";
export { pins } from "./pins.ts";
export { ensureTailnet, findTailnet, type Tailnet } from "./tailnet.ts";
export { ensureProviderTests, type ProviderTests } from "./tofu/provider-tests.ts";
export { ensureTofu, isTofuBuilt, type Tofu } from "./tofu.ts";
