/** A kind of secret with a recognizable format. */
interface Shape {
  kind: string;
  pattern: RegExp;
}

/**
 * Formats of tokens and private keys. `.gitleaks.toml` has the patterns for searching git; a test runs both lists on the same
 * cases.
 */
const shapes: readonly Shape[] = [
  { kind: "a private key", pattern: /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY|PuTTY-User-Key-File/ },
  { kind: "an age identity", pattern: /AGE-(?:SECRET-KEY-(?:PQ-)?1|PLUGIN-[A-Z0-9]+-1)[0-9A-Z]{20}/ },
  { kind: "a Tailscale key", pattern: /\btskey-(?:auth|api|client|webhook|scim)-[\w-]{8}/ },
  { kind: "a headscale key", pattern: /\bhskey-(?:auth|api)-[\w-]{8}/ },
  { kind: "a GitHub token", pattern: /\b(?:gh[oprsu]_[A-Za-z0-9]{20}|github_pat_\w{10})/ },
  { kind: "a Discord token", pattern: /\b[MNO][\w-]{22,27}\.[\w-]{6,7}\.[\w-]{27}/ },
  { kind: "a Discord webhook", pattern: /\bdiscord(?:app)?\.com\/api\/webhooks\/\d{15,20}\/[\w-]{40}/ },
  { kind: "a Telegram token", pattern: /\b[0-9]{8,10}:[A-Za-z0-9_-]{35}\b/ },
  { kind: "a Zalo token", pattern: /\b[0-9]{12,20}:[A-Za-z0-9_-]{40}/ },
  { kind: "a Slack token", pattern: /\bxox[a-z](?:\.xox[a-z])?-[\w-]{20}|\bxapp-\d-[\w-]{20}/ },
  { kind: "a Slack webhook", pattern: /\bhooks\.slack\.com\/(?:services|workflows|triggers)\/[\w/]{20}/ },
  { kind: "a Matrix token", pattern: /\bsyt_[\w+/=-]{2,80}_[A-Za-z0-9]{20}_|\bm(?:at|ct)_[A-Za-z0-9]{20}/ },
  { kind: "a Twilio key", pattern: /\bSK[0-9a-f]{32}\b/ },
  { kind: "a Twitch token", pattern: /\boauth:[a-z0-9]{30}\b/ },
  { kind: "a Nostr key", pattern: /\bnsec1[02-9ac-hj-np-z]{58}\b/ },
  // Of Microsoft Teams and anything else in Entra.
  { kind: "a Microsoft client secret", pattern: /(?<![\w~.-])[\w~.-]{3}\dQ~[\w~.-]{31}/ },
  { kind: "a Google key", pattern: /\bAIza[\w-]{35}|\bya29\.[\w-]{20}|\bGOCSPX-[\w-]{28}/ },
  { kind: "a JSON web token", pattern: /\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20}/ },
  { kind: "a GitLab token", pattern: /\bgl(?:pat|dt|rt|cbt)-[\w-]{20}/ },
  {
    kind: "a model provider's key",
    pattern:
      /\bsk-(?:ant-|proj-|or-)?[A-Za-z0-9_-]{32}|\b(?:xai-|gsk_|csk-|pplx-|nvapi-|tvly-|tgp_v1_|hf_|r8_|sk_)[A-Za-z0-9_-]{28}|\b[0-9a-f]{32}\.[A-Za-z0-9]{16}\b/,
  },
  { kind: "an AWS key", pattern: /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/ },
  { kind: "a password hash", pattern: /\$(?:y|6|5|2[abxy])\$[\w./$,=-]{8,60}\$?[\w./]{20}/ },
];

/** Hetzner tokens: 64 letters and digits, with at least one lowercase letter, one uppercase letter and one digit, unlike hex digests. */
const hetzner = /(?<![A-Za-z0-9])(?=[A-Z0-9]*[a-z])(?=[a-z0-9]*[A-Z])(?=[A-Za-z]*[0-9])[A-Za-z0-9]{64}(?![A-Za-z0-9])/;

/** Random-looking but public: ssh public keys, age recipients, binary cache keys, fingerprints, digests. */
const publicMaterial = [
  /\b(?:ssh|ecdsa|sk)-[\w@.-]{1,50} +AAAA[A-Za-z0-9+/]+={0,2}/g,
  /\bage1[02-9ac-hj-np-z]{58}\b/g,
  /\b[\w.-]+:[A-Za-z0-9+/]{43}=(?![A-Za-z0-9+/=])/g,
  /\bSHA256:[A-Za-z0-9+/]{43}\b/g,
  /\bsha(?:256|384|512)-[A-Za-z0-9+/]{40,88}={0,2}/g,
  /\b[0-9a-f]{32,128}\b/g,
];

export interface SecretSearch {
  /** Texts planted on purpose: finding one anywhere means that a secret leaked. @default `[]` */
  canaries?: readonly string[];
  /**
   * Entropy in bits per character above which 32 or more characters of base64 count as random; 8 turns the check off. English
   * words and paths have less than 4, base64 of random bytes at least 4.5 at that length. @default `4.3`
   */
  minEntropy?: number;
}

/** Names the kinds of secrets in a text, never the secrets themselves. Public keys and digests do not count. */
export function secretKindsIn(text: string, { canaries = [], minEntropy = 4.3 }: SecretSearch = {}): string[] {
  const kinds = shapes.filter(({ pattern }) => pattern.test(text)).map(({ kind }) => kind);
  if (canaries.some((canary) => canary !== "" && text.includes(canary))) kinds.push("a planted canary");
  const rest = publicMaterial.reduce((left, pattern) => left.replace(pattern, " "), text);
  if (hetzner.test(rest)) kinds.push("a Hetzner token");
  if (kinds.length === 0 && looksRandom(rest, minEntropy)) kinds.push("text that looks random");
  return kinds;
}

function looksRandom(text: string, minEntropy: number): boolean {
  const runs = text.match(/[A-Za-z0-9+/=]{32,}/g) ?? [];
  return runs.some(
    (run) => /[a-z]/.test(run) && /[A-Z]/.test(run) && /[0-9]/.test(run) && entropyOf(run) >= minEntropy,
  );
}

/** Shannon entropy, in bits per character. */
export function entropyOf(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  const length = [...text].length;
  return [...counts.values()].reduce((sum, count) => sum - (count / length) * Math.log2(count / length), 0);
}
