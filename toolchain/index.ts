export { type EnsureOptions, ensureEngine } from "./ensure.ts";
export { type Report, ToolchainError, type ToolchainEvent } from "./errors.ts";
export { type NamedParts, withNamedParts } from "./named.ts";
export { type Engine, findEngine } from "./paths.ts";
export { pins } from "./pins.ts";
export { ensureProviderTests, type ProviderTests } from "./provider-tests.ts";
export { ensureTailnet, findTailnet, type Tailnet } from "./tailnet.ts";
export { ensureTofu, isTofuBuilt, type Tofu } from "./tofu.ts";
