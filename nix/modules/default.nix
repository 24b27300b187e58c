# A complete host. Each file is one subject; the logic is in nix/lib. The modules read each other's options: to use another disk or
# tailnet, import all but that one and declare its options yourself.
{
  imports = [
    ./backups.nix
    ./bots.nix
    ./disk.nix
    ./egress.nix
    ./hetzner.nix
    ./host.nix
    ./image.nix
    ./operator.nix
    ./secrets.nix
    ./ssh.nix
    ./tailnet.nix
  ];
}
