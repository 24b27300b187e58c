# Destinations that are blocked for bots (SSRF). The kernel checks the resolved address, so that neither a name with a private
# address nor DNS rebinding gets past.
{
  # Hetzner's metadata service gives user_data to any process that asks at 169.254.169.254. The IPv6 addresses are those of other clouds
  # (fd00:ec2::254 Amazon, fd20:ce::254 Google, fe80::a9fe:a9fe OpenStack): Hetzner documents none, and refusing them costs nothing.
  metadata = {
    v4 = [ "169.254.169.254" ];
    v6 = [
      "fd00:ec2::254"
      "fd20:ce::254"
      "fe80::a9fe:a9fe"
    ];
  };

  # Every address that a tailnet gives out, Tailscale's own services (100.100.100.100) included.
  tailnet = {
    v4 = "100.64.0.0/10";
    v6 = "fd7a:115c:a1e0::/48";
  };

  # Not globally reachable by IANA's IPv4 special-purpose registry, plus multicast and reserved ranges.
  notPublic4 = [
    "0.0.0.0/8"
    "10.0.0.0/8"
    "100.64.0.0/10" # carrier-grade NAT, and therefore the tailnet
    "127.0.0.0/8"
    "169.254.0.0/16"
    "172.16.0.0/12"
    "192.0.0.0/24"
    "192.0.2.0/24"
    "192.88.99.0/24"
    "192.168.0.0/16"
    "198.18.0.0/15"
    "198.51.100.0/24"
    "203.0.113.0/24"
    "224.0.0.0/3"
  ];

  # IPv6 is an allowlist: only 2000::/3 is global unicast. Loopback, link-local, fc00::/7, multicast, ::ffff:0:0/96 and NAT64's
  # 64:ff9b::/96 are all outside.
  public6 = "2000::/3";

  # Inside 2000::/3, but not on the internet, or an embedded IPv4 address that would escape the list above.
  notPublic6 = [
    "2001::/23" # IETF's protocol assignments: Teredo, ORCHID and others
    "2001:db8::/32"
    "2002::/16" # 6to4
    "3fff::/20" # documentation
  ];
}
