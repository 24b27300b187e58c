# Reads the YAML of a stack file, as core/project/settings/stack-file.ts and Pulumi write it: mappings, lists of scalars and of mappings,
# and flow collections on one line. Nix has no YAML parser, and building one first would need import-from-derivation. Anything beyond
# this subset is refused with its line, never guessed: test/nix/yaml.test.ts compares it with the yaml library.
#
# where: the file's name, for the messages · content: its text. Returns attribute sets, lists, strings, integers, booleans, null.
where: content:
let
  text = import ./text.nix;
  inherit (builtins)
    elemAt
    length
    match
    stringLength
    substring
    ;

  refuse = number: why: throw "${where}:${toString number}: ${why}";

  # { number; indent; body; } of every line that is neither blank nor a comment.
  lines =
    let
      all = builtins.filter builtins.isString (builtins.split "\r?\n" content);
      numbered = builtins.genList (index: {
        number = index + 1;
        line = elemAt all index;
      }) (length all);
      wanted = builtins.filter ({ line, ... }: match "[ \t]*(#.*)?" line == null) numbered;
    in
    map (
      { number, line }:
      let
        parts = match "( *)(.*)" line;
      in
      if match ".*\t.*" line != null then
        refuse number "a tab; write spaces."
      else
        {
          inherit number;
          indent = stringLength (elemAt parts 0);
          body = elemAt (match "(.*[^ ]) *" (elemAt parts 1)) 0;
        }
    ) wanted;

  count = length lines;
  at = index: elemAt lines index;
  isItem = { body, ... }: body == "-" || text.hasPrefix "- " body;
  keyOf = { body, ... }: match "([A-Za-z0-9_./-]+(:[A-Za-z0-9_./-]+)*):( +(.*))?" body;

  # Each of these returns { value; next; }, next being the index of the first line that is not its own.
  block =
    index:
    let
      line = at index;
    in
    if isItem line then list line.indent index [ ] else mapping line.indent index { };

  mapping =
    indent: index: seen:
    if index >= count || (at index).indent < indent then
      {
        value = seen;
        next = index;
      }
    else
      entries indent index (at index) seen;

  # line: the first one, without the "-" of an item.
  entries =
    indent: index: line: seen:
    let
      parts = keyOf line;
      key = elemAt parts 0;
      entry = valueAfter line (elemAt parts 3) index;
    in
    if line.indent != indent then
      refuse line.number "indented differently from the lines above, or a value continues here; write each value on one line."
    else if parts == null then
      refuse line.number "expected \"key: value\"; keys consist of a-z, A-Z, 0-9, \"_\", \".\", \"/\", \"-\" and \":\", without quotes."
    else if seen ? ${key} then
      refuse line.number "\"${key}\" stands twice."
    else
      # Forced here, so that a bad line is refused even if its value is never used (laziness).
      builtins.deepSeq entry.value (mapping indent entry.next (seen // { ${key} = entry.value; }));

  list =
    indent: index: seen:
    let
      line = at index;
      written = match "- +(.*)" line.body;
      body = elemAt written 0;
      # As if the mapping began at its first key.
      first = {
        inherit (line) number;
        inherit body;
        indent = line.indent + stringLength line.body - stringLength body;
      };
      isMapping = keyOf first != null;
      item =
        if isMapping then
          entries first.indent index first { }
        else
          {
            value = scalar line.number body;
            next = index + 1;
          };
    in
    if index >= count || line.indent < indent || (line.indent == indent && !(isItem line)) then
      {
        value = seen;
        next = index;
      }
    else if line.indent != indent then
      refuse line.number "indented differently from the items above, or an item continues here; write each on one line."
    else if written == null || isItem first then
      refuse line.number "only plain values and mappings can be items of a list."
    else
      builtins.deepSeq item.value (list indent item.next (seen ++ [ item.value ]));

  # What follows "key:", on its line or below it.
  valueAfter =
    line: written: index:
    let
      next = at (index + 1);
      isBelow =
        index + 1 < count && (next.indent > line.indent || (next.indent == line.indent && isItem next));
      isNothing = written == null || match "(#.*)?" written != null;
    in
    if isNothing && isBelow then
      block (index + 1)
    else
      {
        value = if isNothing then null else scalar line.number written;
        next = index + 1;
      };

  scalar =
    number: written:
    if match "[[{].*" written != null then flow number (tokensOf written) else single number written;

  # Tokens of a one-line value: quoted strings, "[", "]", "{", "}", "," and the text between them. A comment ends it.
  tokensOf =
    written:
    let
      parts = builtins.split "(\"([^\"\\]|\\\\.)*\"|'([^']|'')*'|[][{},]| +#.*)" written;
      tokens = map (part: if builtins.isList part then elemAt part 0 else trimmed part) parts;
    in
    builtins.filter (token: token != "" && match " +#.*" token == null) tokens;
  trimmed =
    part:
    let
      inner = match " *(.*[^ ]) *" part;
    in
    if inner == null then "" else elemAt inner 0;

  flow =
    number: tokens:
    let
      token = index: if index < length tokens then elemAt tokens index else "";
      closing = "\"${elemAt tokens 0}\" that is not closed on its line, or followed by something else.";
      end = value: next: { inherit value next; };
      valueAt =
        index:
        let
          here = token index;
        in
        if here == "[" then
          if token (index + 1) == "]" then end [ ] (index + 2) else items (index + 1) [ ]
        else if here == "{" then
          if token (index + 1) == "}" then end { } (index + 2) else pairs (index + 1) { }
        else if builtins.elem here [ "" "," "]" "}" ] then
          refuse number "an empty item, or ${closing}"
        else
          end (single number here) (index + 1);
      items =
        index: seen:
        let
          item = valueAt index;
          all = seen ++ [ item.value ];
        in
        continued "]" item.next all (next: items next all);
      pairs =
        index: seen:
        let
          parts = keyOf { body = token index; };
          key = elemAt parts 0;
          written = elemAt parts 3;
          isEmpty = builtins.elem (token (index + 1)) [ "," "}" ];
          entry =
            if written != null then
              end (single number written) (index + 1)
            else if isEmpty then
              end null (index + 1)
            else
              valueAt (index + 1);
          all = seen // {
            ${key} = entry.value;
          };
        in
        if parts == null then
          refuse number "expected \"key: value\" in a mapping on one line, with keys without quotes."
        else if seen ? ${key} then
          refuse number "\"${key}\" stands twice."
        else
          continued "}" entry.next all (next: pairs next all);
      continued =
        bracket: index: value: more:
        if token index == bracket then
          end value (index + 1)
        else if token index == "," then
          more (index + 1)
        else
          refuse number closing;
      whole = valueAt 0;
    in
    if whole.next == length tokens then whole.value else refuse number closing;

  single =
    number: written:
    let
      double = match "(\"([^\"\\]|\\\\[\"\\nrt])*\")(| +#.*)" written;
      quoted = match "'(([^']|'')*)'(| +#.*)" written;
      cut = builtins.split " +#" written;
      plain = elemAt cut 0;
    in
    if double != null then
      builtins.fromJSON (elemAt double 0)
    else if quoted != null then
      builtins.replaceStrings [ "''" ] [ "'" ] (elemAt quoted 0)
    else if match "[]\"'{}[,&*!|>%@`#].*|[-?:]( .*)?" plain != null then
      refuse number "\"${substring 0 1 plain}\" starts YAML syntax that is not supported here; allowed: plain, 'quoted' and \"quoted\" values, [lists] and {mappings: of them}."
    else if match ".*:( .*)?" plain != null then
      refuse number "a \":\" in a value; quote the value."
    else
      typed number plain;

  # As in the core schema of YAML 1.2, except that only 0, 1, 2, … are accepted as numbers: no setting needs others.
  typed =
    number: plain:
    if match "true|True|TRUE" plain != null then
      true
    else if match "false|False|FALSE" plain != null then
      false
    else if match "~|null|Null|NULL" plain != null then
      null
    else if match "0|[1-9][0-9]{0,14}" plain != null then
      builtins.fromJSON plain
    else if
      match "[-+]?(\\.[0-9]+|[0-9]+(\\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?\\.(inf|Inf|INF)|\\.(nan|NaN|NAN)" plain
      != null
    then
      refuse number "${plain} is not a number that any setting accepts; quote it if it is text."
    else
      plain;

  whole = block 0;
in
if count == 0 then
  null
else if (at 0).indent != 0 || whole.next != count then
  refuse (at (if (at 0).indent != 0 then 0 else whole.next)).number
    "indented differently from the lines above."
else
  builtins.deepSeq whole.value whole.value
