# The second fence, by systemd: settings of a unit (serviceConfig) that the bots module merges into its own. systemd attaches
# them to the unit's cgroup, so that they hold for every process of the unit, of whichever user.
let
  ranges = import ./ranges.nix;
  metadata = ranges.metadata.v4 ++ ranges.metadata.v6;

  # Each of these answers on a unix socket, where no packet filter sees it, and would speak to the internet on the bot's behalf:
  # the name service caches and resolved (DNS questions), D-Bus (resolved again, and every other service on it), avahi, the
  # nix daemon (fetches any URL with its own rights), container engines, tailscaled.
  speakers = [
    "/run/nscd"
    "/run/systemd/resolve"
    "/run/dbus"
    "/run/avahi-daemon"
    "/nix/var/nix/daemon-socket"
    "/run/docker.sock"
    "/run/containerd"
    "/run/podman"
    "/run/tailscale"
  ];
in
{
  # { mode } -> attributes of serviceConfig for a bot's unit.
  bot =
    { mode }:
    if mode == "proxy-allowlist" then
      {
        IPAddressDeny = "any";
        IPAddressAllow = "localhost";
        # "-": most hosts do not have all of them. /var/run is a link to /run.
        InaccessiblePaths = map (path: "-${path}") speakers;
      }
    else
      { IPAddressDeny = metadata; };

  # For the proxy's unit, which speaks to the internet on behalf of all bots and needs nothing else of the host.
  #
  # systemd lets an allowed address win over a denied one, so loopback is allowed by single addresses: the bots come from
  # 127.0.0.1, the resolvers have to be reached. Ports are nftables' matter.
  proxy =
    { resolvers }:
    import ../sandbox.nix {
      hidden = [
        "/etc/ssh"
        "/srv"
        "/var/lib"
      ];
    }
    // {
      ProcSubset = "pid";
      IPAddressDeny =
        ranges.notPublic4
        ++ ranges.notPublic6
        ++ [
          # All but 2000::/3.
          "::/3"
          "4000::/2"
          "8000::/1"
        ];
      IPAddressAllow = [ "127.0.0.1" ] ++ resolvers;

      MemoryMax = "512M";
      MemorySwapMax = 0;
      TasksMax = 512;
    };

  # { mode, proxyPort } -> environment of a bot. curl reads http_proxy in small letters only, others the capital ones; Node
  # 24 and later heed them when NODE_USE_ENV_PROXY is 1.
  botEnvironment =
    { mode, proxyPort }:
    let
      url = "http://127.0.0.1:${toString proxyPort}";
      direct = "127.0.0.1,localhost";
    in
    if mode != "proxy-allowlist" then
      { }
    else
      {
        HTTP_PROXY = url;
        HTTPS_PROXY = url;
        NO_PROXY = direct;
        http_proxy = url;
        https_proxy = url;
        no_proxy = direct;
        NODE_USE_ENV_PROXY = "1";
      };
}
