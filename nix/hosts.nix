# nixosConfigurations of a project: one per stacks/Pulumi.<host>.yaml, with hosts/<host>.nix if it exists, and for each of its bots
# bots/<bot>/ if that exists. Nothing else needs to be edited for a new host.
{
  lib,
  module,
  openclaw,
}:
root:
let
  inherit (import ./lib/stacks.nix) hostsIn;
  inherit (import ./lib/names.nix) isBotName;
  # Any other name is refused by the module of bots, with a message.
  isOpenclaw = bot: isBotName bot && builtins.pathExists (root + "/bots/${bot}/openclaw.json");
  openclaw = bot: {
    name = bot;
    value.openclaw = {
      config = root + "/bots/${bot}/openclaw.json";
      workspace =
        if builtins.pathExists (root + "/bots/${bot}/workspace") then
          root + "/bots/${bot}/workspace"
        else
          null;
      ownSchema = builtins.pathExists (root + "/bots/openclaw.schema.json");
      secrets =
        if builtins.pathExists (root + "/bots/${bot}/secrets.json") then
          builtins.fromJSON (builtins.readFile (root + "/bots/${bot}/secrets.json"))
        else
          { };
    };
  };
  own = host: root + "/hosts/${host}.nix";
  # OpenClaw's own flake: the repository's input if it has one, otherwise ours. What runs is what its flake.lock pins.
  packagesFor =
    system:
    (root.inputs.nix-openclaw or openclaw).packages.${system}
      or (throw "nix-openclaw has no packages for ${system}. Set clawdlets.bots.<name>.package in hosts/<host>.nix.");
  # Neither is fetched where a host names another package.
  openclawPackage = packages: bot: {
    name = bot;
    value.package = lib.mkDefault (
      packages.openclaw-gateway // { openclawPlugins = pluginsOf packages; }
    );
  };
  # Discord, Slack … by the names that openclaw.json has for them. For nix/modules/bots.nix.
  pluginOf = builtins.match "openclaw-runtime-plugin-(.+)";
  pluginsOf =
    packages:
    builtins.listToAttrs (
      map (attribute: {
        name = packages.${attribute}.openclawRuntimePlugin.id or (builtins.head (pluginOf attribute));
        value = packages.${attribute};
      }) (builtins.filter (attribute: pluginOf attribute != null) (builtins.attrNames packages))
    );
in
builtins.mapAttrs (
  _: stack:
  lib.nixosSystem {
    inherit (stack) system;
    modules = [
      module
      stack.module
      {
        clawdlets.bots = builtins.listToAttrs (map openclaw (builtins.filter isOpenclaw stack.bots));
      }
      {
        clawdlets.bots = builtins.listToAttrs (
          map (openclawPackage (packagesFor stack.system)) (builtins.filter isOpenclaw stack.bots)
        );
      }
      { system.configurationRevision = root.rev or null; }
      { clawdlets.operator.rebuild.releaseFloor = lib.mkDefault (root.lastModified or 0); }
    ]
    ++ lib.optional (builtins.pathExists (own stack.host)) (own stack.host);
  }
) (hostsIn (root + "/stacks"))
