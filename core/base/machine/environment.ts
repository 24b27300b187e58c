import { delimiter } from "node:path";

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What this process was started with. The one place outside entry points that reads it: what decides something takes an
 * {@link Environment} as an argument, and what starts a program uses {@link cleanEnvironment}.
 */
export const ownEnvironment = (): Environment => process.env;

/** The folders of PATH. */
export const searchPath = (): string[] => (ownEnvironment()["PATH"] ?? "").split(delimiter);

/**
 * Allow list of the variables that a child process may inherit. A shell can hold much more: another project's backend or
 * passphrase (PULUMI_*), GIT_DIR as git's hooks export it, NODE_OPTIONS and LD_PRELOAD that load code, tokens, an ssh agent.
 */
const inherited: readonly RegExp[] = [
  // User, paths, time zone and locale.
  /^(PATH|HOME|USER|LOGNAME|SHELL|TMPDIR|TZ|TZDIR|LANG|LANGUAGE|LC_[A-Z]+|LOCALE_ARCHIVE)$/,
  /^XDG_[A-Z]+_(HOME|DIR|DIRS)$/,
  // The terminal or desktop that an editor or ssh uses.
  /^(TERM|COLORTERM|TERMINFO|TERMINFO_DIRS|NO_COLOR|DISPLAY|WAYLAND_DISPLAY|XAUTHORITY|DBUS_SESSION_BUS_ADDRESS|WSL_DISTRO_NAME|VSCODE_IPC_HOOK_CLI)$/,
  // Proxies and certificates of a company's network.
  /^(https?|all|no|ftp)_proxy$/i,
  /^(SSL_CERT_FILE|SSL_CERT_DIR|CURL_CA_BUNDLE|REQUESTS_CA_BUNDLE|NODE_EXTRA_CA_CERTS|GIT_SSL_CAINFO)$/,
  // The user's git configuration, such as credential helpers. Not what git's own hooks export.
  /^GIT_CONFIG_(GLOBAL|SYSTEM|NOSYSTEM)$/,
  // Nix's installation and configuration.
  /^NIX_(PATH|REMOTE|PROFILES|CONF_DIR|CONFIG|USER_CONF_FILES|STATE_DIR|STORE_DIR|LOG_DIR|DAEMON_SOCKET_PATH|SSL_CERT_FILE|LD|LD_LIBRARY_PATH)$/,
];

/**
 * GIT_DIR for the engine: its `git status` would otherwise run programs named in the repository's configuration, with our tokens
 * in their environment.
 */
export const noRepository = "/dev/null";

/**
 * The environment of every child process: the inherited variables on the allow list, and `extra`.
 * @param extra overrides inherited variables
 */
export function cleanEnvironment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { ...inheritedBy((key) => inherited.some((pattern) => pattern.test(key))), ...extra };
}

/**
 * For programs that fetch from repositories, as git and nix do: the operator's ssh agent, which a private repository over ssh may need,
 * and nothing that asks a person. Not for a program that runs what it has fetched.
 * @param extra overrides the rest
 */
export function fetchingEnvironment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const agent = ownEnvironment()["SSH_AUTH_SOCK"];
  const silent = { GIT_TERMINAL_PROMPT: "0", SSH_ASKPASS: "false", SSH_ASKPASS_REQUIRE: "force" };
  return cleanEnvironment({ ...(agent !== undefined && { SSH_AUTH_SOCK: agent }), ...silent, ...extra });
}

/** Our own environment variables whose name passes. */
export function inheritedBy(passes: (key: string) => boolean): Record<string, string> {
  const kept = Object.entries(ownEnvironment()).filter(([key]) => passes(key));
  return Object.fromEntries(kept.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])));
}

/**
 * The same for a library that merges our own environment into what it is given, as Pulumi's automation library does: every variable
 * that is not on the list is set to undefined, which Node leaves out.
 */
export function closedEnvironment(environment: Readonly<Record<string, string>>): Record<string, string> {
  const ours = Object.keys(ownEnvironment()).map((key) => [key, undefined]);
  return { ...Object.fromEntries(ours), ...environment };
}
