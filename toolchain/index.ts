export { type EnsureOptions, ensureEngine } from "./ensure.ts";
export { type Report, ToolchainError, type ToolchainEvent } from "./errors.ts";
export { type NamedParts, withNamedParts } from "./named.ts";
export { type Engine, findEngine } from "./paths.ts";
export { pins } from "./pins.ts";
export { areLanguagesBuilt, ensureLanguages, type Languages } from "./requested/languages.ts";
export { ensureProviderTests, type ProviderTests } from "./requested/provider-tests.ts";
export { ensureTailnet, findTailnet, type Tailnet } from "./requested/tailnet.ts";
export { ensureTofu, isTofuBuilt, type Tofu } from "./requested/tofu.ts";
