import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWith } from "../../_needs.ts";
import { type Attempt, allowed, judge, refused, summary, through, toProxy } from "./lab/_attempts.ts";
import { Lab, needs } from "./lab/_lab.ts";
import * as world from "./lab/_world.ts";

const ok = "only4.listed.example";
const bad = "evil.example";
const listed = `tcp ${world.internet.listed} 80`;
const ask = (url: string, headers: string[] = [], rest = "") =>
  toProxy(`GET ${url} HTTP/1.1\r\n${[...headers, "Connection: close", "", ""].join("\r\n")}${rest}`);
const second = `GET http://${bad}/ HTTP/1.1\r\nHost: ${bad}\r\n\r\n`;

const attempts: Attempt[] = [
  allowed("a listed name", "bot", ask(`http://${ok}/`), listed),
  allowed("a listed name with a path and a query", "bot", ask(`http://${ok}/a/b?c=d`), listed),
  allowed("a listed name and port 80", "bot", ask(`http://${ok}:80/`), listed),
  allowed("no path", "bot", ask(`http://${ok}`), listed),
  allowed("capital letters", "bot", ask(`HTTP://ONLY4.LISTED.EXAMPLE/`), listed),
  allowed(
    "below a suffix",
    "bot",
    ask("http://a.b.wide.example/".replace("a.b", "b.a")),
    `tcp ${world.internet.wide} 80`,
  ),
  allowed("CONNECT to 443, as without plain HTTP", "bot", through(`${ok}:443`), `tcp ${world.internet.listed} 443`),
  // What the server makes of it is its own matter (docs/egress.md, domain fronting): it arrives there and nowhere else.
  allowed("an unlisted Host: the URL counts", "bot", ask(`http://${ok}/`, [`Host: ${bad}`]), listed),
  allowed("two Hosts: the URL counts", "bot", ask(`http://${ok}/`, [`Host: ${ok}`, `Host: ${bad}`]), listed),
  allowed("a second request behind the first", "bot", ask(`http://${ok}/`, [], second), listed),
  allowed("an unlisted name in the path", "bot", ask(`http://${ok}/@${bad}/`), listed),
  refused("an unlisted name", "bot", ask(`http://${bad}/`)),
  refused("a listed Host with an unlisted URL", "bot", ask(`http://${bad}/`, [`Host: ${ok}`])),
  allowed("a path alone: Host counts", "bot", ask("/", [`Host: ${ok}`]), listed),
  refused("a path alone, with an unlisted Host", "bot", ask("/", [`Host: ${bad}`])),
  refused("a path alone, with a listed Host and a port", "bot", ask("/", [`Host: ${ok}:22`])),
  refused("a path alone, with a user name in Host", "bot", ask("/", [`Host: ${ok}@${bad}`])),
  refused("a path alone, with a path in Host", "bot", ask("/", [`Host: ${bad}/http://${ok}`])),
  refused("a path alone, with a listed and an unlisted Host", "bot", ask("/", [`Host: ${bad}`, `Host: ${ok}`])),
  refused("a path alone, without Host", "bot", ask("/")),
  refused("a listed name in the path", "bot", ask(`http://${bad}/http://${ok}/`)),
  refused("a look-alike", "bot", ask(`http://${ok}.${bad}/`)),
  refused("a look-alike before a suffix", "bot", ask("http://evilwide.example/")),
  refused("a trailing dot", "bot", ask(`http://${ok}./`)),
  refused("a user name", "bot", ask(`http://${ok}@${bad}/`)),
  refused("a user name and a port", "bot", ask(`http://${ok}:80@${bad}/`)),
  refused("a backslash", "bot", ask(`http://${ok}\\@${bad}/`)),
  refused("a fragment", "bot", ask(`http://${ok}#@${bad}/`)),
  refused("a query without a path", "bot", ask(`http://${ok}?@${bad}/`)),
  refused("port 22", "bot", ask(`http://${ok}:22/`)),
  refused("port 8443", "bot", ask(`http://${ok}:8443/`)),
  refused("a port that overflows to 80", "bot", ask(`http://${ok}:65616/`)),
  refused("loopback", "bot", ask("http://127.0.0.1:8080/")),
  refused("loopback in hexadecimal", "bot", ask("http://0x7f000001/")),
  refused("IPv6 loopback", "bot", ask("http://[::1]/")),
  refused("the metadata service", "bot", ask("http://169.254.169.254/hetzner/v1/userdata")),
  refused("the metadata service in decimal", "bot", ask("http://2852039166/")),
  refused("a listed name that leads to the metadata service", "bot", ask("http://metadata.inside.example/")),
  refused("a listed name that leads to loopback", "bot", ask("http://loopback.inside.example/")),
  refused("a listed name that leads to a private address", "bot", ask("http://ten.inside.example/")),
  refused("CONNECT to 80", "bot", through(`${ok}:80`)),
  refused("https without CONNECT", "bot", ask(`https://${ok}/`)),
];

describeWith(needs, "proxy-allowlist with plain HTTP, on the wire", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.start();
    await lab.load(await lab.ruleset({ mode: "proxy-allowlist", plainHttp: true }));
    await lab.startProxy({ plainHttp: true });
  });
  afterAll(async () => {
    await lab?.stop();
    process.stdout.write(`egress, proxy-allowlist with plain HTTP: ${summary(attempts)}\n`);
  });

  it.each(attempts.map((attempt) => [attempt.name, attempt] as const))("%s", async (_, attempt) => {
    await judge(lab, attempt);
  });

  it("sends a request with both lengths to the listed server or nowhere, and no second one out of its body", async () => {
    // 1.11.1 passes both on, and that server says no; 1.11.3 takes one away.
    const smuggling = ask(`http://${ok}/`, ["Content-Length: 5", "Transfer-Encoding: chunked"], `0\r\n\r\n${second}`);
    const { arrived } = await lab.attempt("bot", smuggling);
    expect(arrived.filter((packet) => packet !== listed)).toEqual([]);
  });
});
