# What an openclaw.json, parsed, has that connects to the internet: [ { kind; name; option; url ? } ]. By the same rules as
# core/project/egress/needs.ts; test/nix/egress/derived.test.ts compares the two.
let
  text = import ../text.nix;

  at =
    keys: value:
    builtins.foldl' (
      found: key: if builtins.isAttrs found && found ? ${key} then found.${key} else null
    ) value keys;

  last = path: if path == [ ] then "" else builtins.elemAt path (builtins.length path - 1);
  parent =
    path: if builtins.length path < 2 then "" else builtins.elemAt path (builtins.length path - 2);
  take = count: path: builtins.genList (builtins.elemAt path) count;
  startsWith =
    start: path:
    builtins.length path >= builtins.length start && take (builtins.length start) path == start;
  endsWith =
    end: path:
    let
      rest = builtins.length path - builtins.length end;
    in
    rest >= 0 && builtins.genList (n: builtins.elemAt path (rest + n)) (builtins.length end) == end;
  isChildOf =
    start: path: builtins.length path == builtins.length start + 1 && startsWith start path;
  when = condition: list: if condition then list else [ ];

  # Every option, except below an object that says `enabled: false`.
  liveOptions =
    path: value:
    if at [ "enabled" ] value == false then
      [ ]
    else
      [ { inherit path value; } ]
      ++ (
        if builtins.isAttrs value then
          builtins.concatMap (key: liveOptions (path ++ [ key ]) value.${key}) (builtins.attrNames value)
        else if builtins.isList value then
          builtins.concatLists (
            builtins.genList (n: liveOptions (path ++ [ (toString n) ]) (builtins.elemAt value n)) (
              builtins.length value
            )
          )
        else
          [ ]
      );

  # The provider of "provider/model".
  providersIn =
    model:
    let
      found = builtins.match "([a-z0-9][a-z0-9._-]*)/(.|\n)+" model;
    in
    if found == null then [ ] else [ (builtins.head found) ];

  # "agents.defaults.model.primary", "hooks.gmail.model" … but not the catalogue of models.
  isModel =
    path:
    path != [ ]
    && builtins.head path != "models"
    && builtins.any (
      key:
      text.hasSuffix "Model" key
      || builtins.elem key [
        "model"
        "modelByChannel"
        "mediaModels"
      ]
    ) path;
  isProvider =
    path:
    (
      startsWith [
        "tools"
        "media"
      ] path
      && last path == "provider"
    )
    || endsWith [
      "tts"
      "provider"
    ] path
    || endsWith [
      "memory"
      "search"
      "provider"
    ] path;
  isAddress =
    path:
    (
      builtins.length path == 4
      && startsWith [
        "mcp"
        "servers"
      ] path
      && last path == "url"
    )
    || last path == "baseUrl"
    || last path == "homeserver";

  needsOfOption =
    config:
    { path, value }:
    let
      option = builtins.concatStringsSep "." path;
      key = last path;
      need = kind: name: [ { inherit kind name option; } ];
      # A provider whose address is in the file needs that one.
      hasOwnAddress =
        name:
        builtins.isString (
          at [
            "models"
            "providers"
            name
            "baseUrl"
          ] config
        );
      provider = name: when (!hasOwnAddress name) (need "provider" name);
      isAgents = path != [ ] && builtins.head path == "agents";
    in
    when (builtins.isAttrs value) (
      when (isChildOf [ "channels" ] path && key != "defaults" && key != "modelByChannel") (
        need "channel" key
      )
      ++ when (isChildOf [
        "models"
        "providers"
      ] path) (provider key)
      ++ when (isChildOf [
        "plugins"
        "entries"
      ] path) (need "plugin" key)
      ++ when (
        isChildOf [
          "mcp"
          "servers"
        ] path
        && builtins.isString (at [ "command" ] value)
      ) (need "mcp" key)
    )
    # The models that a person may switch to.
    ++ when (isAgents && parent path == "models") (builtins.concatMap provider (providersIn key))
    ++ when (builtins.isString value) (
      when (isModel path) (builtins.concatMap provider (providersIn value))
      ++ when (isProvider path) (provider value)
      ++ when (option == "tools.web.search.provider") (need "search" value)
      ++ when (isAddress path) [
        {
          kind = "address";
          name = option;
          inherit option;
          url = value;
        }
      ]
      ++ when (isChildOf [
        "plugins"
        "allow"
      ] path) (need "plugin" value)
      ++ when (
        (isAgents && parent path == "skills")
        || isChildOf [
          "skills"
          "allowBundled"
        ] path
      ) (need "skill" value)
    );

  hasModel =
    config:
    let
      model = at [
        "agents"
        "defaults"
        "model"
      ] config;
    in
    builtins.isString model || builtins.isString (at [ "primary" ] model);
in
config:
builtins.concatMap (needsOfOption config) (liveOptions [ ] config)
++ when (!(hasModel config)) [
  {
    kind = "model";
    name = "OpenClaw's default";
    option = "agents.defaults.model";
  }
]
