/** `scheme://user:password@`, each part bounded so that 64 KiB of anything stay quick. http and https ignore further slashes, and clients read a backslash as a slash. */
const userInfo = /\b([a-z][a-z0-9+.-]{0,30}:)(\/\/|\\\\)([^\s/\\?#"'<>]*)@/gi;
const webUserInfo = /\b((?:[a-z0-9.-]{1,30}\+)?https?:)([/\\]{2,8})([^\s/\\?#"'<>]*)@/gi;

/** `?private_token=…`. Nix's own `narHash`, `publicKey` and `publicKeys` are public. */
const secretParameter =
  /([?&;](?!public)[\w.-]{0,40}(?:token|secret|passw|pwd|credential|signature|api-?_?key|auth|\bkey|\bsig)[\w.-]{0,40}=)([^&;#\s"'<>]+)/gi;

/** A token as its maker marks it, wherever it stands in an address. */
const markedToken =
  /\b(?:gh[oprsu]_|github_pat_|glpat-|gldt-|glcbt-|tskey-|hf_|npm_|xox[a-z]-|AGE-SECRET-KEY-)[\w-]{8,}/gi;

/** ssh needs a user, which is not a secret unless it looks like a token; a password never belongs there. */
const isLoginName = (scheme: string, text: string) =>
  /^(?:.+\+)?ssh:$/i.test(scheme) && /^[\w.-]{1,32}$/.test(text) && text.search(markedToken) < 0;

/**
 * A URL, flake address or git remote without user, password, secret parameters and tokens. Everything that is printed, logged,
 * written to a journal or given to another program as an argument goes through here first: arguments are visible to every user.
 * @param address also a whole text that has addresses in it, such as what git says
 */
export function withoutCredentials(address: string): string {
  return hide(address, "");
}

/** The same, with a mark in place of each credential: for people, who should see that something is left out. */
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

/** True for an address that must not be used as it is. An http address that no parser takes may hide a password with a slash. */
export function hasCredentials(address: string): boolean {
  const text = address.trim();
  if (withoutCredentials(text) !== text) return true;
  const web = /^(?:[a-z0-9.-]+\+)?(https?:.*)$/is.exec(text)?.[1];
  return web?.includes("@") === true && !URL.canParse(web);
}

/** What is wrong with an address that has credentials, without quoting it; undefined for one that has none. */
export function credentialProblem(address: string): string | undefined {
  if (!hasCredentials(address)) return undefined;
  const scheme = /^[\w.+-]{1,30}:/.exec(address.trim())?.[0] ?? "";
  return `has a user, password or token in it${scheme === "" ? "" : ` (${scheme}…, not shown)`}, which every user of this machine could read. Remove it, and replace that credential if the file was ever committed`;
}
