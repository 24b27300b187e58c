/**
 * What a program that we start may inherit. A list, since a shell holds more than anyone remembers: another project's backend or
 * passphrase (PULUMI_*), GIT_DIR as git's hooks export it, NODE_OPTIONS and LD_PRELOAD that load code, tokens, an ssh agent.
 */
const inherited: readonly RegExp[] = [
  // Who and where we are, and which language is spoken.
  /^(PATH|HOME|USER|LOGNAME|SHELL|TMPDIR|TZ|TZDIR|LANG|LANGUAGE|LC_[A-Z]+|LOCALE_ARCHIVE)$/,
  /^XDG_[A-Z]+_(HOME|DIR|DIRS)$/,
  // The terminal or desktop that an editor or ssh is shown on.
  /^(TERM|COLORTERM|TERMINFO|TERMINFO_DIRS|NO_COLOR|DISPLAY|WAYLAND_DISPLAY|XAUTHORITY|DBUS_SESSION_BUS_ADDRESS|WSL_DISTRO_NAME|VSCODE_IPC_HOOK_CLI)$/,
  // The way out of a company's network.
  /^(https?|all|no|ftp)_proxy$/i,
  /^(SSL_CERT_FILE|SSL_CERT_DIR|CURL_CA_BUNDLE|REQUESTS_CA_BUNDLE|NODE_EXTRA_CA_CERTS|GIT_SSL_CAINFO)$/,
  // Where a person keeps git's settings, such as credential helpers. Not what git's own hooks export.
  /^GIT_CONFIG_(GLOBAL|SYSTEM|NOSYSTEM)$/,
  // How nix is installed here, and how it is set up.
  /^NIX_(PATH|REMOTE|PROFILES|CONF_DIR|CONFIG|USER_CONF_FILES|STATE_DIR|STORE_DIR|LOG_DIR|DAEMON_SOCKET_PATH|SSL_CERT_FILE|LD|LD_LIBRARY_PATH)$/,
];

/** GIT_DIR of the engine, whose `git status` would start what a repository's configuration names, with the tokens. */
export const noRepository = "/dev/null";

/**
 * The environment of everything that we start: what it may inherit, and what it is given.
 * @param extra goes before what is inherited
 */
export function cleanEnvironment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { ...inheritedBy((key) => inherited.some((pattern) => pattern.test(key))), ...extra };
}

/** Those of our own variables whose name passes. */
export function inheritedBy(passes: (key: string) => boolean): Record<string, string> {
  const kept = Object.entries(process.env).filter(([key]) => passes(key));
  return Object.fromEntries(kept.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])));
}

/**
 * The same for a library that adds our own variables to whatever it is given, as Pulumi's automation library does: each of them
 * that is not in the list is set to nothing, which Node leaves out.
 */
export function closedEnvironment(environment: Readonly<Record<string, string>>): Record<string, string> {
  const ours = Object.keys(process.env).map((key) => [key, undefined]);
  return { ...Object.fromEntries(ours), ...environment };
}
