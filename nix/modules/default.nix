# A whole host. Each file is one subject and can be taken alone; what they decide is in nix/lib.
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
