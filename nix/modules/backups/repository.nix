# Where backups go, from the repository's URL: one of restic's notations, without a login. The same rules are in
# core/project/settings/backups.ts; test/nix/backups/module.test.ts compares the two.
let
  label = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";
  octet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
  address = "${octet}([.]${octet}){3}";
  host = "((${label}[.])+[a-z]([a-z0-9-]{0,61}[a-z0-9])?|${address})";
  port = "(:([1-9][0-9]{0,4}))?";
  path = "(/[A-Za-z0-9._~+-]+)";
  # Mail's ports are closed on every host (clawdlets.egress).
  closed = [
    25
    465
    587
    2525
  ];
  standard = {
    s3 = 443;
    rest = 443;
    sftp = 22;
  };
  patterns = {
    s3 = "s3:https://()${host}${port}${path}+/?";
    rest = "rest:https://()${host}${port}${path}+/?";
    sftp = "sftp://([a-z_][a-z0-9_-]{0,31})@${host}${port}/?${path}+/?";
  };
  kindOf =
    url:
    let
      found = builtins.filter (kind: builtins.match patterns.${kind} url != null) (
        builtins.attrNames patterns
      );
    in
    if found == [ ] || builtins.match ".*/[.]{1,2}(/.*)?" url != null then
      null
    else
      builtins.head found;
in
rec {
  allowed = "s3:https://HOST/BUCKET/FOLDER, rest:https://HOST/FOLDER or sftp://USER@HOST/FOLDER, with a domain or an IPv4 address, a port that is not mail's, and no login, query or fragment";

  # null: not a repository. { kind; user; host; port; isAddress; }
  parse =
    url:
    let
      kind = kindOf url;
      groups = builtins.match patterns.${kind} url;
      written = portIn groups;
      number = if written == null then standard.${kind} else builtins.fromJSON written;
      name = builtins.elemAt groups 1;
    in
    if kind == null || number > 65535 || builtins.elem number closed then
      null
    else
      {
        inherit kind;
        user = builtins.elemAt groups 0;
        host = name;
        port = number;
        isAddress = builtins.match address name != null;
      };

  # The group after ":", whose index depends on the groups before it.
  portIn =
    groups:
    let
      colon = builtins.filter (
        n:
        builtins.isString (builtins.elemAt groups n)
        && builtins.match ":[0-9]+" (builtins.elemAt groups n) != null
      ) (builtins.genList (n: n) (builtins.length groups));
    in
    if colon == [ ] then null else builtins.elemAt groups (builtins.head colon + 1);
}
