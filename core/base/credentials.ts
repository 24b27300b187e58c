/** `scheme://user:password@`. Each part is bounded, so that 64 KiB of any text stay fast (ReDoS). http and https ignore extra slashes, and clients treat a backslash as a slash. */
const userInfo = /\b([a-z][a-z0-9+.-]{0,30}:)(\/\/|\\\\)([^\s/\\?#"'<>]*)@/gi;
const webUserInfo = /\b((?:[a-z0-9.-]{1,30}\+)?https?:)([/\\]{2,8})([^\s/\\?#"'<>]*)@/gi;

/** `?private_token=…`. Nix's own `narHash`, `publicKey` and `publicKeys` are public. */
const secretParameter =
  /([?&;](?!public)[\w.-]{0,40}(?:token|secret|passw|pwd|credential|signature|api-?_?key|auth|\bkey|\bsig)[\w.-]{0,40}=)([^&;#\s"'<>]+)/gi;

/** Tokens with a vendor's prefix, anywhere in an address. */
const markedToken =
  /\b(?:gh[oprsu]_|github_pat_|glpat-|gldt-|glcbt-|tskey-|hskey-|hf_|npm_|xox[a-z]-|AGE-SECRET-KEY-)[\w-]{8,}/gi;

/** ssh URLs need a user name, which is not a secret unless it looks like a token. A password is never allowed. */
const isLoginName = (scheme: string, text: string) =>
  /^(?:.+\+)?ssh:$/i.test(scheme) && /^[\w.-]{1,32}$/.test(text) && text.search(markedToken) < 0;

/**
 * A URL, flake address or git remote without user, password, secret parameters and tokens. Everything that is printed, logged,
 * written to a journal or passed to another program as an argument goes through here first: arguments are visible to every user.
 * @param address or a longer text that contains addresses, such as git's output
 */
export function withoutCredentials(address: string): string {
  return hide(address, "");
}

/** The same, with `(not shown)` where a credential was, so that people see that something is missing. */
export function withCredentialsHidden(text: string): string {
  return hide(text, "(not shown)");
}

function hide(text: string, mark: string): string {
  const instead = mark === "" ? "" : `${mark}@`;
  const user = (match: string, scheme: string, slashes: string, info: string) =>
    isLoginName(scheme, info) || info === mark ? match : `${scheme}${slashes}${instead}`;
  return text
    .replace(webUserInfo, user)
    .replace(userInfo, user)
    .replace(/(^|[\s'"(<])([\w.-]+:[^\s/@'"]+)@(?=[\w.-]+:)/g, (_, before: string) => `${before}${instead}`)
    .replace(secretParameter, (_, name: string) => `${name}${mark}`)
    .replace(markedToken, mark);
}

/** True if an address must not be used unchanged. An http address that does not parse may contain a password with a slash. */
export function hasCredentials(address: string): boolean {
  const text = address.trim();
  if (withoutCredentials(text) !== text) return true;
  const web = /^(?:[a-z0-9.-]+\+)?(https?:.*)$/is.exec(text)?.[1];
  return web?.includes("@") === true && !URL.canParse(web);
}

/** The problem with an address that contains credentials, without quoting it; undefined if it contains none. */
export function credentialProblem(address: string): string | undefined {
  if (!hasCredentials(address)) return undefined;
  const scheme = /^[\w.+-]{1,30}:/.exec(address.trim())?.[0] ?? "";
  return `has a user, password or token in it${scheme === "" ? "" : ` (${scheme}…, not shown)`}, which every user of this machine could read. Remove it, and revoke that credential if the file was ever committed`;
}
