# The addresses that no bot's request may end at. The kernel compares what a name resolved to with them, so that neither a
# name that points inside nor one that changes its answer in between gets past.
{
  # Hetzner's metadata service gives user_data to whoever asks at 169.254.169.254. The IPv6 ones are those of other clouds
  # (fd00:ec2::254 Amazon, fd20:ce::254 Google, fe80::a9fe:a9fe OpenStack): Hetzner documents none, and refusing them costs nothing.
  metadata = {
    v4 = [ "169.254.169.254" ];
    v6 = [
      "fd00:ec2::254"
      "fd20:ce::254"
      "fe80::a9fe:a9fe"
    ];
  };

  # What IANA's IPv4 special-purpose registry does not call globally reachable, multicast and the reserved rest.
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

  # IPv6 is judged the other way round: only 2000::/3 is handed out to the internet. Loopback, link-local, fc00::/7, multicast,
  # ::ffff:0:0/96 and NAT64's 64:ff9b::/96 all lie outside.
  public6 = "2000::/3";

  # Inside 2000::/3, yet no place on the internet, or a wrapping of an IPv4 address that would escape the list above.
  notPublic6 = [
    "2001::/23" # IETF's protocol assignments: Teredo, ORCHID and others
    "2001:db8::/32"
    "2002::/16" # 6to4
    "3fff::/20" # documentation
  ];
}
