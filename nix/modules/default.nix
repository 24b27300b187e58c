# A whole host. Each file is one subject, and what they decide is in nix/lib. They read each other's options, so that whoever
# wants another disk or another tailnet takes all but that one, and declares its options anew.
{
  imports = [
    ./bots.nix
    ./disk.nix
    ./egress.nix
    ./hetzner.nix
    ./host.nix
    ./operator.nix
    ./secrets.nix
    ./ssh.nix
    ./tailnet.nix
  ];
}
