# An example host: system → settings → a NixOS system with all our modules.
{ self, lib }:
system: settings:
lib.nixosSystem {
  inherit system;
  modules = [
    self.nixosModules.default
    {
      clawdlets = {
        hostName = "web-1";
        adminSshKeys = [
          "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGjTrP2PB+7IVvyoXcRhlWo8aac6mXJvuWm57bHZKIdI example"
        ];
      };
    }
    settings
  ];
}
