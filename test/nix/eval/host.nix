# Fully evaluates a host with our modules. Returns { config; refused; warnings; options; untold; }: refused has the messages
# of failed assertions, options the names of our options, untold the options without a default, an example or the like.
# `lib` can be nixpkgs' real one (docs/security.md).
{
  lib ? import ./lib.nix,
  modules ? [ ],
  system ? "x86_64-linux",
}:
let
  evaluated = import ./system.nix {
    inherit lib system;
    modules = [ ../../../nix/modules ] ++ modules;
  };
  # `_module` is nixpkgs' own, and functions have no JSON.
  config = builtins.removeAttrs evaluated.config [ "_module" ];

  # Our own options that do not say what they are: "clawdlets.x: example".
  untold =
    path: option:
    if (option._type or null) == "option" then
      map (field: "${builtins.concatStringsSep "." path}: ${field}") (
        builtins.filter (field: !(option ? ${field})) [
          "default"
          "description"
          "example"
          "type"
        ]
      )
    else
      builtins.concatMap (name: untold (path ++ [ name ]) option.${name}) (builtins.attrNames option);
  namesOf =
    path: option:
    if (option._type or null) == "option" then
      [ (builtins.concatStringsSep "." path) ]
    else
      builtins.concatMap (name: namesOf (path ++ [ name ]) option.${name}) (builtins.attrNames option);
  botOptions =
    (import ../../../nix/modules/bots/options.nix
      {
        inherit lib;
        names = import ../../../nix/lib/names.nix;
        pkgs = import ./pkgs.nix;
      }
      {
        name = "maren";
        config.uid = 31007;
      }
    ).options;
in
builtins.deepSeq config {
  inherit config;
  refused = map ({ message, ... }: message) (
    builtins.filter ({ assertion, ... }: !assertion) config.assertions
  );
  inherit (config) warnings;
  options = namesOf [ ] evaluated.options.clawdlets ++ namesOf [ "bots" "<name>" ] botOptions;
  untold =
    untold [ "clawdlets" ] evaluated.options.clawdlets
    ++ untold [ "clawdlets" "bots" "<name>" ] botOptions;
}
