import { credentialProblem } from "../credentials.ts";
import type { Objection } from "../problem.ts";
import { quoted } from "../wording.ts";

export const hetznerEndpoint = "https://api.hetzner.cloud/v1";

/** The endpoint receives the token, so plain http is only allowed on this machine: elsewhere anyone on the path could read it. */
export function endpointProblem(endpoint: string): Objection | undefined {
  const fix = `Remove it to use ${hetznerEndpoint}.`;
  const credentials = credentialProblem(endpoint);
  if (credentials !== undefined) return { code: "invalid-value", problem: `${credentials}.`, fix };
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  const isSafe = url?.protocol === "https:" || (url?.protocol === "http:" && isLoopback(url));
  if (isSafe && url.search === "" && url.hash === "") return undefined;
  const allowed = "allowed: an https URL without query, or http on this machine (127.0.0.1, [::1] or localhost)";
  return { code: "invalid-value", problem: `is ${quoted(endpoint)}; ${allowed}.`, fix };
}

/** True for an emulator on this machine. */
export function isOnThisMachine(endpoint: string): boolean {
  return URL.canParse(endpoint) && isLoopback(new URL(endpoint));
}

/** `URL` normalizes every spelling of an IPv4 address to four decimal numbers. */
const isLoopback = ({ hostname }: URL) => /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(hostname);

/** A warning to print before the token is sent there; undefined for Hetzner and for this machine. */
export function endpointWarning(endpoint: string): string | undefined {
  if (isOnThisMachine(endpoint)) return undefined;
  if (URL.canParse(endpoint) && new URL(endpoint).host === new URL(hetznerEndpoint).host) return undefined;
  const host = URL.canParse(endpoint) ? new URL(endpoint).host : "an unknown host";
  return `HCLOUD_ENDPOINT sends your token to ${host}, which is not Hetzner. Unset it unless you meant that.`;
}
