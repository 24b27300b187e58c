# What stacks/Pulumi.web-1.yaml does not say of the host web-1. Every option: docs/nixos.md.
{ pkgs, ... }:
{
  clawdlets.bots.maren = {
    package = pkgs.hello; # Yours
    command = "hello --greeting=maren";
    resources.memoryMax = "1G";
  };
}
