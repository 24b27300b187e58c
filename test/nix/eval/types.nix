# The types of options, as far as the modules use them: name, check of one definition, and how several become one value.
# `merge` takes the option's path and its definitions, of one priority, each of which may still be an mkIf or an mkMerge inside.
{ engine }:
let
  inherit (engine) fail mergeValues showPath;

  equal =
    path: values:
    let
      first = builtins.head values;
    in
    if builtins.all (value: value == first) values then
      first
    else
      fail "The option `${showPath path}' has conflicting definition values.";

  simple = name: check: {
    inherit name check;
    merge = equal;
  };

  isDerivation = value: builtins.isAttrs value && (value.type or null) == "derivation";
  isStringLike = value: builtins.isString value || builtins.isPath value || isDerivation value;
in
rec {
  bool = simple "boolean" builtins.isBool;
  str = simple "string" builtins.isString;
  int = simple "signed integer" builtins.isInt;
  port = simple "16 bit unsigned integer" (
    value: builtins.isInt value && value >= 0 && value <= 65535
  );
  ints.unsigned = simple "unsigned integer" (value: builtins.isInt value && value >= 0);
  path = simple "absolute path" (
    value: isStringLike value && builtins.substring 0 1 (toString value) == "/"
  );
  package = simple "package" isDerivation;
  anything = simple "anything" (_: true);
  enum = values: simple "one of ${builtins.toJSON values}" (value: builtins.elem value values);
  strMatching =
    pattern:
    simple "string matching ${pattern}" (
      value: builtins.isString value && builtins.match pattern value != null
    );

  lines = {
    name = "strings concatenated with \"\\n\"";
    check = builtins.isString;
    merge = _: builtins.concatStringsSep "\n";
  };

  uniq =
    type:
    type
    // {
      merge =
        path: values:
        if builtins.length values == 1 then
          type.merge path values
        else
          fail "The option `${showPath path}' is defined multiple times while it's expected to be unique.";
    };

  nullOr = type: {
    name = "null or ${type.name}";
    check = value: value == null || type.check value;
    merge =
      path: values:
      if builtins.all (value: value == null) values then
        null
      else
        type.merge path (builtins.filter (value: value != null) values);
  };

  either = first: second: {
    name = "${first.name} or ${second.name}";
    check = value: first.check value || second.check value;
    merge =
      path: values:
      if builtins.all first.check values then first.merge path values else second.merge path values;
  };
  oneOf = types: builtins.foldl' either (builtins.head types) (builtins.tail types);

  listOf = type: {
    name = "list of ${type.name}";
    check = builtins.isList;
    merge =
      path: values:
      let
        all = builtins.concatLists values;
        item =
          index:
          mergeValues (path ++ [ "[definition ${toString (index + 1)}]" ]) type [
            (builtins.elemAt all index)
          ];
      in
      builtins.concatMap (found: if found.isDefined then [ found.value ] else [ ]) (
        builtins.genList item (builtins.length all)
      );
  };

  attrsOf = type: {
    name = "attribute set of ${type.name}";
    check = builtins.isAttrs;
    merge =
      path: values:
      let
        found = builtins.zipAttrsWith (name: mergeValues (path ++ [ name ]) type) values;
        defined = builtins.filter (name: found.${name}.isDefined) (builtins.attrNames found);
      in
      builtins.listToAttrs (
        map (name: {
          inherit name;
          inherit (found.${name}) value;
        }) defined
      );
  };

  submodule = module: {
    name = "submodule";
    check = value: builtins.isAttrs value || builtins.isFunction value;
    merge =
      path: values:
      (engine.evalModules {
        prefix = path;
        # A value is all configuration, even where it has an attribute called "options".
        modules = [
          module
        ]
        ++ map (value: if builtins.isAttrs value then { config = value; } else value) values;
        specialArgs.name = if path == [ ] then "" else builtins.elemAt path (builtins.length path - 1);
      }).config;
  };
}
