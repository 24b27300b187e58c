# Inbound traffic, for NixOS' networking.firewall. Without a tailnet and public SSH, only the console is left.
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
  # Background scans would push everything else out of the journal.
  logRefusedConnections = false;
}
