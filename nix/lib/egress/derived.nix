# The domains that an openclaw.json, parsed, needs: { domains = [ … ]; unknown = [ { kind; name; option; } ]; }. From the table that
# TypeScript also reads, by the same rules as core/project/egress/derive.ts; test/nix/egress/derived.test.ts compares the two.
let
  text = import ../text.nix;
  needsOf = import ./needs.nix;
  table = builtins.fromJSON (builtins.readFile ../../../core/project/egress/domains.json);
  tables = {
    channel = table.channels;
    provider = table.providers;
    search = table.searches;
    skill = table.skills;
    # What a channel or a provider brings is needed when that is configured.
    plugin =
      table.plugins
      // builtins.mapAttrs (_: _: { domains = { }; }) (table.channels // table.providers // table.searches);
  };

  label = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?";
  lastLabel = "[a-z]([a-z0-9-]{0,61}[a-z0-9])?";
  # The domain of a URL that the proxy can reach: https, the default port, a name with a dot.
  domainIn =
    url:
    let
      found = builtins.match "https://((${label}[.])+${lastLabel})(:443)?([/?#](.|\n)*)?" (
        text.toLower url
      );
    in
    if found == null then null else [ (builtins.head found) ];

  # null: not known.
  domainsOf =
    {
      kind,
      name,
      url ? "",
      ...
    }:
    if kind == "address" then
      domainIn url
    else if (tables.${kind} or { }) ? ${name} then
      builtins.attrNames tables.${kind}.${name}.domains
    else
      null;
in
config:
let
  needs = needsOf config;
  found = map domainsOf needs;
in
{
  domains = builtins.sort builtins.lessThan (
    text.unique (builtins.concatLists (builtins.filter builtins.isList found))
  );
  unknown = text.unique (
    map (need: { inherit (need) kind name; }) (builtins.filter (need: domainsOf need == null) needs)
  );
}
