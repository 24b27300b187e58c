/**
 * OpenClaw's own rule for variables in its configuration (2026.9.6, parseEnvTokenAt): `${NAME}` is replaced, `$${NAME}` stands
 * for the text `${NAME}`, and a name in any other form is left alone.
 */
const reference = /(\$?)\$\{([A-Z_][A-Z0-9_]*)\}/g;

/**
 * The variables that a text refers to, sorted, each once. Of raw text, comments included, so that nix/lib/bot-variables.nix, which
 * cannot parse JSON5, finds the same ones.
 */
export function referencesIn(text: string): string[] {
  const names = [...text.matchAll(reference)].flatMap(([, dollar, name]) => (dollar === "" && name ? [name] : []));
  return [...new Set(names)].sort();
}
