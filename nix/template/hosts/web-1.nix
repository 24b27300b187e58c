# Additional configuration of the host web-1, beyond stacks/Pulumi.web-1.yaml. All options: docs/nixos.md.
{ pkgs, ... }:
{
  clawdlets.bots.maren = {
    package = pkgs.hello; # Yours
    command = "hello --greeting=maren";
    resources.memoryMax = "1G";
  };
}
