# A reimplementation of the parts of nixpkgs' lib that the modules use, to evaluate them where nixpkgs is not available. It
# refuses what the real one refuses: an undeclared option, a value of the wrong type, two values for one option.
let
  fail = throw;
  showPath = builtins.concatStringsSep ".";
  isType = type: value: builtins.isAttrs value && (value._type or null) == type;
  ordinary = 100; # Of a definition without mkDefault or mkForce, as in nixpkgs' lib/modules.nix.

  # Pushes mkIf, mkMerge and mkForce down into the single definitions, so that the options that a module defines are known
  # before any condition is evaluated (avoids infinite recursion).
  pushDown =
    definition:
    if isType "merge" definition then
      builtins.concatMap pushDown definition.contents
    else if isType "if" definition then
      map (builtins.mapAttrs (_: mkIf definition.condition)) (pushDown definition.content)
    else if isType "override" definition then
      map (builtins.mapAttrs (_: mkOverride definition.priority)) (pushDown definition.content)
    else
      [ definition ];

  # The values of a definition that hold, with their priority.
  discharge =
    definition:
    if isType "merge" definition then
      builtins.concatMap discharge definition.contents
    else if isType "if" definition then
      if !(builtins.isBool definition.condition) then
        fail "mkIf: its condition is not a boolean"
      else if definition.condition then
        discharge definition.content
      else
        [ ]
    else if isType "override" definition then
      # Not looked into, as in nixpkgs: of a default that another definition overrides, nothing is evaluated.
      [
        {
          value = definition.content;
          inherit (definition) priority;
        }
      ]
    else
      [
        {
          value = definition;
          priority = ordinary;
        }
      ];

  # { isDefined; value; } of the definitions of one option.
  mergeValues =
    path: type: definitions:
    let
      all = builtins.concatMap discharge definitions;
      lowest = builtins.foldl' (
        least: { priority, ... }: if priority < least then priority else least
      ) 9999 all;
      values = map ({ value, ... }: value) (builtins.filter ({ priority, ... }: priority == lowest) all);
      wrong = builtins.filter (value: !(type.check value)) values;
    in
    {
      isDefined = all != [ ];
      value =
        if wrong != [ ] then
          fail "A definition for option `${showPath path}' is not of type `${type.name}'."
        else
          type.merge path values;
    };

  # Every module that is imported, once a path, called with its arguments.
  collect =
    args: seen: modules:
    builtins.foldl'
      (
        { found, paths }:
        module:
        let
          isPath = builtins.isPath module || builtins.isString module;
          key = toString module;
          loaded = if isPath then import module else module;
          called = if builtins.isFunction loaded then loaded args else loaded;
          below = collect args (paths ++ (if isPath then [ key ] else [ ])) (called.imports or [ ]);
        in
        if isPath && builtins.elem key paths then
          { inherit found paths; }
        else
          {
            found = found ++ [ called ] ++ below.found;
            inherit (below) paths;
          }
      )
      {
        found = [ ];
        paths = seen;
      }
      modules;

  reversed =
    list:
    let
      count = builtins.length list;
    in
    builtins.genList (index: builtins.elemAt list (count - 1 - index)) count;

  optionsOf = module: module.options or { };
  configOf =
    module:
    let
      others = builtins.removeAttrs module [
        "config"
        "imports"
        "options"
      ];
    in
    if module ? options || module ? config then
      if others == { } then
        module.config or { }
      else
        fail "A module has `options' or `config' and beside them ${builtins.concatStringsSep ", " (builtins.attrNames others)}."
    else
      builtins.removeAttrs module [ "imports" ];

  mergeOptions =
    path: declared:
    if builtins.length declared == 1 then
      builtins.head declared
    else if builtins.any (isType "option") declared then
      fail "The option `${showPath path}' is declared twice."
    else
      builtins.zipAttrsWith (name: mergeOptions (path ++ [ name ])) declared;

  valuesOf =
    path: options: definitions:
    let
      pushed = builtins.concatMap pushDown definitions;
      defined = builtins.zipAttrsWith (_: all: all) pushed;
      unknown = builtins.filter (name: !(options ? ${name})) (builtins.attrNames defined);
      valueOf =
        name: option:
        let
          here = path ++ [ name ];
          found = mergeValues here option.type (defined.${name} or [ ]);
        in
        if !(isType "option" option) then
          valuesOf here option (defined.${name} or [ ])
        else if found.isDefined then
          (option.apply or (value: value)) found.value
        else if option ? default then
          # As a definition of the lowest priority: a default of another type is refused too.
          (option.apply or (value: value)) (mergeValues here option.type [ option.default ]).value
        else
          fail "The option `${showPath here}' was accessed but has no value defined.";
    in
    if builtins.any (definition: !(builtins.isAttrs definition)) pushed then
      fail "The option set `${showPath path}' is given something else than attributes."
    else if unknown != [ ] then
      fail "The option `${showPath (path ++ [ (builtins.head unknown) ])}' does not exist."
    else
      builtins.mapAttrs valueOf options;

  evalModules =
    {
      modules,
      specialArgs ? { },
      prefix ? [ ],
    }:
    let
      args = specialArgs // {
        inherit config options;
        lib = self;
      };
      # Last one first, as nixpkgs has it: it decides the order of lists that several modules add to.
      found = reversed (collect args [ ] modules).found;
      options = mergeOptions prefix (map optionsOf found);
      config = valuesOf prefix options (map configOf found);
    in
    {
      inherit config options;
    };

  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };

  self = {
    inherit evalModules mkIf mkOverride;
    mkOption = option: option // { _type = "option"; };
    mkMerge = contents: {
      _type = "merge";
      inherit contents;
    };
    mkDefault = mkOverride 1000;
    mkForce = mkOverride 50;
    literalExpression = text: {
      _type = "literalExpression";
      inherit text;
    };
    types = import ./types.nix {
      engine = {
        inherit
          evalModules
          fail
          mergeValues
          showPath
          ;
      };
    };

    optional = condition: value: if condition then [ value ] else [ ];
    optionals = condition: values: if condition then values else [ ];
    optionalAttrs = condition: values: if condition then values else { };
    optionalString = condition: value: if condition then value else "";
    genAttrs =
      names: make:
      builtins.listToAttrs (
        map (name: {
          inherit name;
          value = make name;
        }) names
      );
    mapAttrsToList = make: set: map (name: make name set.${name}) (builtins.attrNames set);
    makeBinPath = packages: builtins.concatStringsSep ":" (map (package: "${package}/bin") packages);
    escapeShellArg = value: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] (toString value)}'";
  };
in
self
