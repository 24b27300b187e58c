let
  firewall = import ../../../nix/lib/firewall.nix;
  portsOf = settings: {
    everywhere = (firewall settings).allowedTCPPorts;
    tailnet = (firewall settings).interfaces.tailscale0.allowedTCPPorts or [ ];
  };
in
{
  "TCP/22 is open on the tailnet alone" = {
    expr = portsOf {
      publicSsh = false;
      tailnet = "tailscale";
    };
    expected = {
      everywhere = [ ];
      tailnet = [ 22 ];
    };
  };
  "TCP/22 is open everywhere with public SSH, as asked for" = {
    expr = portsOf {
      publicSsh = true;
      tailnet = "tailscale";
    };
    expected = {
      everywhere = [ 22 ];
      tailnet = [ ];
    };
  };
  "without either nothing is open" = {
    expr = portsOf {
      publicSsh = false;
      tailnet = "none";
    };
    expected = {
      everywhere = [ ];
      tailnet = [ ];
    };
  };
}
