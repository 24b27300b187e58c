/** Who is where in the lab. The addresses are real public ones on purpose: the policy judges them, and no packet gets out. */

/** What a server of `_peer.ts` says; after it there is nothing to wait for. */
export const served = "served-by";

export const uids = { root: 0, bot: 31007, otherBot: 31008, proxy: 30999, user: 1500 } as const;

export const host = { v4: "45.67.89.2", v6: "2a01:4f8:1:2::2" };
/** The first machine of the internet: no server is there. */
export const gateway = "45.67.89.1";
export const resolver = "127.0.0.53";
export const proxyPort = 3128;

export const internet = {
  listed: "93.184.216.34",
  listed6: "2606:2800:220:1::34",
  wide: "93.184.216.35",
  unlisted: "151.101.1.1",
  unlisted6: "2a04:4e42::1",
  otherResolver: "8.8.8.8",
  otherResolver6: "2001:4860:4860::8888",
  mail: "64.233.184.27",
  mail6: "2a00:1450::27",
} as const;

/** What lies on this side of the internet, or would lead back into it. */
export const inside = {
  ten: "10.0.0.5",
  oneSevenTwo: "172.16.0.5",
  oneNineTwo: "192.168.0.5",
  tailnet: "100.64.0.5",
  magicDns: "100.100.100.100",
  linkLocal: "169.254.7.7",
  benchmark: "198.18.0.5",
  documentation: "203.0.113.5",
  ula: "fd00::5",
  tailnet6: "fd7a:115c:a1e0::5",
  sixToFour: "2002:a00:5::1",
  nat64: "64:ff9b::a00:5",
  teredo: "2001:0:a00:5::1",
} as const;

export const metadata = { v4: "169.254.169.254", v6: "fd00:ec2::254" };
export const container = { v4: "172.17.0.2", v6: "fd17::2" };

/** Each name with its addresses, as the host's resolver knows them. Those below inside.example all lead inside. */
export const names: Record<string, string[]> = {
  "api.listed.example": [internet.listed, internet.listed6],
  "only4.listed.example": [internet.listed],
  "only6.listed.example": [internet.listed6],
  "www.listed.example": [internet.unlisted],
  "listed.example": [internet.unlisted],
  "wide.example": [internet.wide],
  "a.wide.example": [internet.wide],
  "b.a.wide.example": [internet.wide],
  "evil.example": [internet.unlisted],
  "api.listed.example.evil.example": [internet.unlisted],
  "xapi.listed.example": [internet.unlisted],
  "apixlisted.example": [internet.unlisted],
  "evilwide.example": [internet.unlisted],
  "wide.example.evil.example": [internet.unlisted],
  "loopback.inside.example": ["127.0.0.1"],
  "loopback6.inside.example": ["::1"],
  "zero.inside.example": ["0.0.0.0"],
  "self.inside.example": [host.v4],
  "self6.inside.example": [host.v6],
  "metadata.inside.example": [metadata.v4],
  "metadata6.inside.example": [metadata.v6],
  "mapped.inside.example": [`::ffff:${inside.ten}`],
  "multicast.inside.example": ["224.0.0.251"],
  "broadcast.inside.example": ["255.255.255.255"],
  "both.inside.example": [inside.ten, internet.listed],
  ...Object.fromEntries(Object.entries(inside).map(([name, at]) => [`${name.toLowerCase()}.inside.example`, [at]])),
};

export const allowedDomains = [
  "api.listed.example",
  "only4.listed.example",
  "only6.listed.example",
  ".wide.example",
  ".inside.example",
];

export const smtpPorts = [25, 465, 587, 2525];
