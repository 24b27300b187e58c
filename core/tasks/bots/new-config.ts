export const channels = ["discord", "telegram", "slack", "none"] as const;
export type Channel = (typeof channels)[number];

/** `provider/model`, as OpenClaw's documentation writes it; a model's own name may have slashes. */
export const modelPattern = /^[a-z0-9][a-z0-9-]{0,40}\/[A-Za-z0-9][\w.:@/-]{0,100}$/;

/** What a channel needs to log in: option of OpenClaw, and variable. */
const logins: Record<Channel, Readonly<Record<string, string>>> = {
  discord: { token: "DISCORD_BOT_TOKEN" },
  telegram: { botToken: "TELEGRAM_BOT_TOKEN" },
  slack: { botToken: "SLACK_BOT_TOKEN", appToken: "SLACK_APP_TOKEN" },
  none: {},
};

/** Providers whose variable is not `<PROVIDER>_API_KEY`. */
const keyOf: Readonly<Record<string, string>> = { google: "GEMINI_API_KEY" };

const reference = (variable: string) => `"\${${variable}}"`;

/** The variable that OpenClaw reads a provider's key from. */
export function keyVariable(model: string): string {
  const [provider = ""] = model.split("/");
  return keyOf[provider] ?? `${provider.toUpperCase().replaceAll("-", "_")}_API_KEY`;
}

/** A first openclaw.json in which `bot lint` finds nothing: direct messages by pairing, no commands, no skills. */
export function newConfig(channel: Channel, model: string): string {
  const [provider = ""] = model.split("/");
  const login = Object.entries(logins[channel]).map(([option, variable]) => `      ${option}: ${reference(variable)},`);
  const ofChannel = [
    "  channels: {",
    `    ${channel}: {`,
    "      enabled: true,",
    ...login,
    "      // An unknown sender gets a pairing code, which you approve.",
    '      dmPolicy: "pairing",',
    '      groupPolicy: "allowlist",',
    "    },",
    "  },",
  ];
  const plugins = channel === "none" ? [provider] : [channel, provider];
  return `${[
    "// OpenClaw's own configuration: https://docs.openclaw.ai/gateway/configuration",
    "// Public. Every dollar sign with a name in braces is a secret, and secrets init asks for it (docs/bots.md).",
    "{",
    '  gateway: { mode: "local" },',
    "  agents: {",
    "    defaults: {",
    `      model: { primary: ${JSON.stringify(model)} },`,
    "      // Names of the skills it may use.",
    "      skills: [],",
    "    },",
    "  },",
    `  env: { vars: { ${keyVariable(model)}: ${reference(keyVariable(model))} } },`,
    ...(channel === "none" ? [] : ofChannel),
    "  // One conversation for each sender, instead of one for all.",
    '  session: { dmScope: "per-channel-peer" },',
    "  // No commands and no files. To allow more: docs.openclaw.ai/tools",
    '  tools: { profile: "messaging" },',
    `  plugins: { allow: ${JSON.stringify(plugins).replace(",", ", ")} },`,
    "}",
  ].join("\n")}\n`;
}

/** A first document, which the bot reads in every conversation. */
export const newAgents = (bot: string) => `# ${bot}

Say here who you are, whom you work for, and what you never do. No secrets: git has this file.
`;
