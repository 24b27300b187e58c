# Defence in depth by systemd: unit settings (serviceConfig) that the bots module merges into its own. systemd attaches them to the
# unit's cgroup, so that they apply to every process of the unit, whatever its user.
let
  ranges = import ./ranges.nix;
  metadata = ranges.metadata.v4 ++ ranges.metadata.v6;

  # Confused deputies: each of these listens on a unix socket, which no packet filter sees, and can talk to the internet for the
  # bot: the name service caches and resolved (DNS), D-Bus (resolved again, and every other service on it), avahi, the nix daemon
  # (fetches any URL as root), container engines, tailscaled.
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
        # Not IPAddressDeny: it drops nftables' reset too, whose source is the refused address, and a connection that should
        # fail at once hangs. The reset comes in on lo.
        RestrictNetworkInterfaces = "lo";
        # "-": most hosts do not have all of them. /var/run is a link to /run.
        InaccessiblePaths = map (path: "-${path}") speakers;
      }
    else
      { IPAddressDeny = metadata; };

  # For the unit of a bot's proxy, which talks to the internet for the bot and needs nothing else of the host.
  #
  # In systemd an allowed address wins over a denied one, so only single loopback addresses are allowed: bots connect from 127.0.0.1,
  # and the proxy needs the resolvers. nftables restricts the ports.
  proxy =
    {
      resolvers,
      # Further addresses or networks, though they are not public.
      allowed ? [ ],
    }:
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
      IPAddressAllow = [ "127.0.0.1" ] ++ resolvers ++ allowed;

      MemoryMax = "256M";
      MemorySwapMax = 0;
      # A thread for each connection, and some more.
      TasksMax = (import ./proxy.nix).clients + 64;
    };

  # { mode, proxyPort, proxyAddress ? "127.0.0.1" } -> environment of a bot. curl reads only the lowercase http_proxy, other programs the uppercase one; Node 24
  # and later use them if NODE_USE_ENV_PROXY is 1. OpenClaw's WebSockets, Discord's gateway for one, and what it downloads of Telegram's
  # attachments follow none of these, only OPENCLAW_PROXY_URL (2026.9.6).
  botEnvironment =
    {
      mode,
      proxyPort,
      proxyAddress ? "127.0.0.1",
    }:
    let
      url = "http://${proxyAddress}:${toString proxyPort}";
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
        OPENCLAW_PROXY_URL = url;
      };
}
