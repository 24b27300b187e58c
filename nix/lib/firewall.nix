# What may reach the host, for NixOS' networking.firewall. With neither a tailnet nor public SSH only the console is left.
{
  publicSsh,
  tailnet,
}:
{
  enable = true;
  allowPing = true;
  allowedTCPPorts = if publicSsh then [ 22 ] else [ ];
  interfaces =
    if tailnet == "tailscale" && !publicSsh then { tailscale0.allowedTCPPorts = [ 22 ]; } else { };
  # The internet's noise would push everything else out of the journal.
  logRefusedConnections = false;
}
