/** What a bot asks of the proxy in `proxy-allowlist`. The allow-list and all names are in `_world.ts`. */
import type { Command } from "./_agent.ts";
import { type Attempt, allowed, get, refused, through, toProxy } from "./_attempts.ts";
import * as world from "./_world.ts";

const { internet } = world;
const listed = `tcp ${internet.listed} 443`;
const listed6 = `tcp ${internet.listed6} 443`;
const wide = `tcp ${internet.wide} 443`;
const ok = "only4.listed.example";
const bad = "evil.example";
const bot = (name: string, command: Command, reaches: string | null, arrives?: string[]): Attempt =>
  reaches === null ? refused(name, "bot", command, arrives) : allowed(name, "bot", command, reaches, arrives);
/** curl with the environment that a bot has. */
const curl = (env: Record<string, string>, url: string): Command => ({
  kind: "run",
  command: ["curl", "--silent", "--show-error", "--insecure", "--location", "--http1.1", "--fail", url],
  env,
});
const leadsTo = (url: string) => `https://${ok}/?to=${encodeURIComponent(url)}`;

const names: [string, string | null][] = [
  ["api.listed.example", listed6],
  [ok, listed],
  ["only6.listed.example", listed6],
  ["ONLY4.Listed.EXAMPLE", listed],
  ["wide.example", wide],
  ["a.wide.example", wide],
  ["b.a.wide.example", wide],
  ["B.A.WIDE.example", wide],
  // Of two addresses, the private one is refused and the public one taken.
  ["both.inside.example", listed],
  [bad, null],
  ["listed.example", null],
  ["www.listed.example", null],
  ["xapi.listed.example", null],
  ["apixlisted.example", null],
  ["api.listed.example.evil.example", null],
  ["evilwide.example", null],
  ["wide.example.evil.example", null],
  ["-wide.example", null],
  [".wide.example", null],
  ["a..wide.example", null],
  [`${ok}.`, null],
  ["a.wide.example.", null],
  ["only4%2elisted.example", null],
  [`${ok}\0.evil.example`, null],
  [`${ok}%00.evil.example`, null],
  // A full-width o, in UTF-8: some would fold it to the letter.
  ["\xef\xbd\x8fnly4.listed.example", null],
  ["localhost", null],
  [internet.listed, null],
  [internet.unlisted, null],
  ["127.0.0.1", null],
  ["127.1", null],
  ["0", null],
  ["2130706433", null],
  ["2852039166", null],
  ["0x7f000001", null],
  ["0x7f.1", null],
  ["0177.0.0.1", null],
  ["0251.0376.0251.0376", null],
  ["169.254.169.254", null],
  ["[::1]", null],
  ["::1", null],
  [`[${internet.listed6}]`, null],
  [`[::ffff:${world.metadata.v4}]`, null],
  ["[::ffff:7f00:1]", null],
  ["[fe80::1%25eth0]", null],
  [`${ok}@${bad}`, null],
  [`${bad}@${ok}`, null],
  [`user:password@${ok}`, null],
  [`${ok}:443@${bad}`, null],
  [`${ok}#@${bad}`, null],
  [`${ok}/@${bad}`, null],
  [`${ok}\\@${bad}`, null],
  [`${ok}?@${bad}`, null],
  ["data.of.a.secret.evil.example", null],
];

const ports = [
  ":22",
  ":25",
  ":80",
  ":587",
  ":8443",
  ":0443",
  ":65979",
  ":4294967739",
  ":443:22",
  ":443/",

  ":",
  "",
];

const methods: [string, string][] = [
  ["an absolute GET", `GET http://${ok}/ HTTP/1.1\r\nHost: ${ok}\r\n\r\n`],
  ["an absolute GET to 443", `GET http://${ok}:443/ HTTP/1.1\r\nHost: ${ok}\r\n\r\n`],
  ["an absolute GET to loopback", `GET http://127.0.0.1:8080/ HTTP/1.1\r\nHost: ${ok}\r\n\r\n`],
  ["an absolute GET to localhost", "GET http://localhost:22/ HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ["an absolute GET to the metadata service", "GET http://169.254.169.254/hetzner/v1/userdata HTTP/1.1\r\n\r\n"],
  ["a GET of https", `GET https://${ok}/ HTTP/1.1\r\nHost: ${ok}\r\n\r\n`],
  ["a GET of ftp", `GET ftp://${ok}/ HTTP/1.1\r\nHost: ${ok}\r\n\r\n`],
  ["a GET of a path, with Host", `GET / HTTP/1.1\r\nHost: ${bad}\r\n\r\n`],
  ["a POST", `POST http://${bad}/ HTTP/1.1\r\nHost: ${ok}\r\nContent-Length: 1\r\n\r\nx`],
  ["HTTP/0.9", `GET http://${bad}/\r\n\r\n`],
  ["a method in small letters", `connect ${ok}:443 HTTP/1.1\r\n\r\n`],
  ["the proxy's own statistics as a way in", `CONNECT ${bad}:443 HTTP/1.1\r\nHost: tinyproxy.stats\r\n\r\n`],
];

const smuggled: [string, string][] = [
  ["two targets in one line", `CONNECT ${ok}:443 ${bad}:443 HTTP/1.1\r\n\r\n`],
  ["a tab between two targets", `CONNECT ${bad}:443\t${ok}:443 HTTP/1.1\r\n\r\n`],
  ["a bare carriage return in the target", `CONNECT ${ok}:443\r${bad}:443 HTTP/1.1\r\n\r\n`],
  ["a bare line feed in the target", `CONNECT ${bad}:443\n${ok}:443 HTTP/1.1\r\n\r\n`],
  ["an encoded line end in the target", `CONNECT ${bad}%0d%0aHost:%20${ok}:443 HTTP/1.1\r\n\r\n`],
  ["a listed Host before an unlisted target", `CONNECT ${bad}:443 HTTP/1.1\r\nHost: ${ok}:443\r\nHost: ${bad}\r\n\r\n`],
  [
    "a listed request right behind a refused one",
    `CONNECT ${bad}:443 HTTP/1.1\r\n\r\nCONNECT ${ok}:443 HTTP/1.1\r\n\r\n`,
  ],
  [
    "a request in the body of a refused one",
    `POST http://${bad}/ HTTP/1.1\r\nContent-Length: 60\r\n\r\nCONNECT ${ok}:443 HTTP/1.1\r\n\r\n`,
  ],
  [
    "both lengths, a request behind the chunks",
    `POST http://${ok}/ HTTP/1.1\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET http://${bad}/ HTTP/1.1\r\n\r\n`,
  ],
  [
    "a coding in other letters",
    `POST http://${ok}/ HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\nGET http://${bad}/ HTTP/1.1\r\n\r\n`,
  ],
  ["X-Forwarded-Host", `CONNECT ${bad}:443 HTTP/1.1\r\nX-Forwarded-Host: ${ok}\r\nForwarded: host=${ok}\r\n\r\n`],
  ["a name that is too long to be one", `CONNECT ${"a.".repeat(5000)}wide.example.evil.example:443 HTTP/1.1\r\n\r\n`],
  ["a line of 100 kB", `CONNECT ${"a".repeat(100_000)}.wide.example:443 HTTP/1.1\r\n\r\n`],
];

/** @param env what `botEnvironment` gives a bot */
export const throughProxy = (env: Record<string, string>): Attempt[] => [
  ...names.map(([name, reaches]) => bot(`CONNECT ${JSON.stringify(name)} 443`, through(`${name}:443`), reaches)),
  ...ports.map((port) => bot(`CONNECT to a listed name and "${port}"`, through(`${ok}${port}`), null)),
  // Listed, so that the proxy asks for their addresses; it is the address that decides.
  ...Object.keys(world.names)
    .filter((name) => name.endsWith(".inside.example") && !name.startsWith("both."))
    .map((name) => bot(`CONNECT to a listed name that leads inside: ${name}`, through(`${name}:443`), null)),
  ...methods.map(([name, text]) => bot(name, toProxy(text), null)),
  ...smuggled.map(([name, text]) => bot(name, toProxy(text, get), null)),
  bot("more spaces behind the target", through(`${ok}:443  `), listed),
  bot("HTTP/1.0", through(`${ok}:443`, [], "1.0"), listed),
  bot("an unlisted Host with a listed target: the target counts", through(`${ok}:443`, [`Host: ${bad}`]), listed),
  bot(
    "two Hosts with a listed target: the target counts",
    through(`${ok}:443`, [`Host: ${bad}`, `Host: ${ok}`]),
    listed,
  ),
  bot(
    "a CONNECT inside a tunnel stays in the tunnel",
    toProxy(`CONNECT ${ok}:443 HTTP/1.1\r\n\r\n`, `GET http://${bad}/ HTTP/1.0\r\n\r\n`),
    listed,
  ),
  bot("TLS by curl", curl(env, `https://${ok}/`), listed),
  bot("TLS by curl, led on to a listed name", curl(env, leadsTo("https://a.wide.example/")), wide, [listed, wide]),
  bot("TLS by curl, led on to an unlisted name", curl(env, leadsTo(`https://${bad}/`)), null, [listed]),
  bot("TLS by curl, led on to an address", curl(env, leadsTo(`https://${internet.unlisted}/`)), null, [listed]),
  bot("TLS by curl, led on to the metadata service", curl(env, leadsTo("http://169.254.169.254/")), null, [listed]),
  bot("TLS by curl, led on to a name that leads inside", curl(env, leadsTo("https://ten.inside.example/")), null, [
    listed,
  ]),
  bot("TLS by curl, led on to loopback past the proxy", curl(env, leadsTo("http://127.0.0.1:8080/")), null, [listed]),
];

/** Attempts that a resolver or the proxy cannot make sense of, with or without a policy: kept, as other versions might. */
export const malformed = new Set([
  ...["-wide.example", ".wide.example", "a..wide.example", "only4%2elisted.example", `${ok}\0.evil.example`]
    .concat([`${ok}%00.evil.example`, "\xef\xbd\x8fnly4.listed.example", "[fe80::1%25eth0]"])
    .map((name) => `CONNECT ${JSON.stringify(name)} 443`),
  'CONNECT "data.of.a.secret.evil.example" 443', // No server, but a question to the resolver: judged by that.
  ...["multicast", "broadcast"].map((name) => `CONNECT to a listed name that leads inside: ${name}.inside.example`),
  'CONNECT to a listed name and ":443:22"',
  "the proxy's own statistics as a way in", // 1.11.3 answers with them whatever the target is, 1.11.1 does not.
  "a method in small letters",
  "two targets in one line",
  "a tab between two targets",
  "a bare carriage return in the target",
  "a bare line feed in the target",
  "an encoded line end in the target",
  "a name that is too long to be one",
  "a line of 100 kB",
]);
