# Reads the YAML of a stack file, as core/project/settings/stack-yaml.ts accepts it and Pulumi writes it: mappings and lists in block style,
# literal blocks after "|", and flow collections on one line. Nix has no YAML parser, and building one first would need
# import-from-derivation. Anything beyond this subset is refused with its line, never guessed; stack-yaml.ts refuses it first.
# test/nix/yaml.test.ts compares both with the yaml library.
#
# where: the file's name, for the messages · content: its text. Returns attribute sets, lists, strings, numbers, booleans, null.
where: content:
let
  text = import ./text.nix;
  inherit (builtins)
    concatStringsSep
    elemAt
    filter
    genList
    head
    isList
    isString
    length
    match
    split
    stringLength
    substring
    ;

  refuse = number: why: throw "${where}:${toString number}: ${why}";
  from = start: string: substring start (stringLength string) string;
  isBlank = line: match " *" line != null;

  # Every line, unchanged. A final newline ends the last line and starts no other.
  raw =
    let
      all = filter isString (split "\r?\n" content);
      last = length all - 1;
    in
    genList (elemAt all) (if elemAt all last == "" then last else last + 1);

  # { number; indent; body; } of every line that is neither blank nor a comment.
  lines =
    let
      numbered = genList (index: {
        number = index + 1;
        line = elemAt raw index;
      }) (length raw);
    in
    map (
      { number, line }:
      let
        parts = match "( *)(.*)" line;
      in
      {
        inherit number;
        indent = stringLength (elemAt parts 0);
        body =
          if match ".*\t.*" line != null then
            refuse number "a tab; write spaces."
          else
            elemAt (match "(.*[^ ]) *" (elemAt parts 1)) 0;
      }
    ) (filter ({ line, ... }: match " *(#.*)?" line == null) numbered);

  count = length lines;
  at = index: elemAt lines index;
  isItem = { body, ... }: body == "-" || text.hasPrefix "- " body;

  # { key; written; } of "key: value", written being null where nothing follows; null of anything else.
  pairOf =
    number: body:
    let
      quoted = quotedAt number body;
      inQuotes = match " *:( +(.*))?" quoted.rest;
      cut = split " *:( +|$)" body;
      key = head cut;
    in
    if match "[\"'].*" body != null then
      if inQuotes == null then
        null
      else
        {
          key = keyAt number quoted.value;
          written = elemAt inQuotes 1;
        }
    else if length cut == 1 || match "[[{].*" body != null then
      null
    else
      {
        key = keyAt number (plainAt number key);
        written =
          let
            written = elemAt (match " *:( +(.*))?" (from (stringLength key) body)) 1;
          in
          if written == "" then null else written;
      };

  keyAt =
    number: key:
    if key == "<<" then
      refuse number "a merge (\"<<\"); write its settings out."
    else if !(isString key) then
      refuse number "a key that is not a text; put it in quotes."
    else
      key;

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
      pair = pairOf line.number line.body;
      inherit (pair) key;
      entry = valueAfter line pair.written index;
    in
    if line.indent != indent then
      refuse line.number "indented differently from the lines above, or the rest of a value; write each value on one line."
    else if pair == null then
      refuse line.number "no \"key: value\"."
    else if seen ? ${key} then
      refuse line.number "\"${key}\" stands twice."
    else
      # Forced here, so that a bad line is refused even if its value is never used (laziness).
      builtins.deepSeq entry.value (mapping indent entry.next (seen // { ${key} = entry.value; }));

  list =
    indent: index: seen:
    if
      index >= count
      || (at index).indent < indent
      || ((at index).indent == indent && !(isItem (at index)))
    then
      {
        value = seen;
        next = index;
      }
    else
      items indent index (at index) seen;

  # line: as above.
  items =
    indent: index: line: seen:
    let
      written = match "- +(.*)" line.body;
      body = elemAt written 0;
      # As if the list or mapping began at its first item or key.
      first = {
        inherit (line) number;
        inherit body;
        indent = line.indent + stringLength line.body - stringLength body;
      };
      item =
        if isItem first then
          items first.indent index first [ ]
        else if pairOf first.number body != null then
          entries first.indent index first { }
        else
          valueOf line body index;
    in
    if line.indent != indent then
      refuse line.number "indented differently from the items above, or the rest of one; write each on one line."
    else if written == null then
      refuse line.number "an item that does not begin on the line of its \"-\"."
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
    else if isNothing then
      {
        value = null;
        next = index + 1;
      }
    else
      valueOf line written index;

  valueOf =
    line: written: index:
    if text.hasPrefix "|" written then
      literal line written
    else
      {
        value = scalar line.number written;
        next = index + 1;
      };

  # The lines below "|", as they stand there.
  literal =
    { number, indent, ... }:
    written:
    let
      marks = match "\\|([1-9]?)([-+]?)( +#.*)?" written;
      hint = elemAt marks 0;
      widthOf = line: stringLength (head (match "( *).*" line));
      below = genList (index: elemAt raw (number + index)) (length raw - number);
      texts = filter (line: !(isBlank line)) below;
      depth = if hint == "" then widthOf (head texts) else indent + builtins.fromJSON hint;
      isOwn = line: isBlank line || widthOf line >= depth;
      indices = list: genList (index: index) (length list);
      others = filter (index: !(isOwn (elemAt below index))) (indices below);
      own = genList (elemAt below) (head (others ++ [ (length below) ]));
      filled = filter (index: !(isBlank (elemAt own index))) (indices own);
      size = elemAt filled (length filled - 1) + 1;
      value = concatStringsSep "\n" (map (from depth) (genList (elemAt own) size));
      ends = concatStringsSep "" (genList (_: "\n") (length own - size));
    in
    if marks == null then
      refuse number "\"${written}\", which is not read here; allowed: |, |-, |+ and |2-."
    else if texts == [ ] || depth <= indent || filled == [ ] then
      refuse number "\"|\" without a text below it."
    else if builtins.any (line: isBlank line && stringLength line > depth) own then
      refuse number "a text with a line of spaces alone; put it in double quotes."
    else if number + length own == length raw && match ".*\n" content == null then
      refuse (length raw) "no end of the line."
    else
      {
        value =
          value
          + {
            "-" = "";
            "" = "\n";
            "+" = "\n" + ends;
          }
          .${elemAt marks 1};
        next = length (filter (line: line.number <= number + length own) lines);
      };

  scalar =
    number: written:
    if match "[[{].*" written != null then flow number (tokensOf written) else single number written;

  # Tokens of a one-line value: quoted strings, "[", "]", "{", "}", "," and the text between them. A comment ends it.
  tokensOf =
    written:
    let
      parts = split "(\"([^\"\\]|\\\\.)*\"|'([^']|'')*'|[][{},]| +#.*)" written;
      tokens = map (part: if isList part then head part else trimmed part) parts;
    in
    filter (token: token != "" && match " +#.*" token == null) tokens;
  trimmed =
    part:
    let
      inner = match " *(.*[^ ]) *" part;
    in
    if inner == null then "" else head inner;

  flow =
    number: tokens:
    let
      token = index: if index < length tokens then elemAt tokens index else "";
      closing = "\"${head tokens}\" that is not closed on its line, or followed by something else.";
      end = value: next: { inherit value next; };
      isQuoted = token: match "[\"'].*" token != null;
      # Where a quote begins within a text is not seen in one line of tokens.
      whole =
        token:
        if !(isQuoted token) && match ".*[\"'].*" token != null then
          refuse number "a quote within a text in brackets; put the text in quotes."
        else
          token;
      valueAt =
        index:
        let
          here = token index;
        in
        if here == "[" then
          if token (index + 1) == "]" then end [ ] (index + 2) else itemsAt (index + 1) [ ]
        else if here == "{" then
          if token (index + 1) == "}" then end { } (index + 2) else pairsAt (index + 1) { }
        else if
          builtins.elem here [
            ""
            ","
            "]"
            "}"
          ]
        then
          refuse number "an empty item, or ${closing}"
        else
          end (single number (whole here)) (index + 1);
      itemsAt =
        index: seen:
        let
          item = valueAt index;
          all = seen ++ [ item.value ];
        in
        continued "]" item.next all (next: itemsAt next all);
      # A key in quotes is a token of its own, and what follows its ":" another one.
      pairAt =
        index:
        let
          here = whole (token index);
          after = match ": *(.*)" (token (index + 1));
        in
        if !(isQuoted here) then
          {
            pair = pairOf number here;
            next = index + 1;
          }
        else
          {
            pair =
              if after == null then
                null
              else
                {
                  key = keyAt number (quotedAt number here).value;
                  written = if head after == "" then null else head after;
                };
            next = index + 2;
          };
      pairsAt =
        index: seen:
        let
          inherit (pairAt index) pair next;
          inherit (pair) key;
          entry =
            if pair.written != null then
              end (single number (whole pair.written)) next
            else if
              builtins.elem (token next) [
                ","
                "}"
              ]
            then
              end null next
            else
              valueAt next;
          all = seen // {
            ${key} = entry.value;
          };
        in
        if pair == null then
          refuse number "no \"key: value\" in a mapping on one line."
        else if seen ? ${key} then
          refuse number "\"${key}\" stands twice."
        else
          continued "}" entry.next all (next: pairsAt next all);
      continued =
        bracket: index: value: more:
        if token index == bracket then
          end value (index + 1)
        else if token index == "," then
          more (index + 1)
        else
          refuse number closing;
      result = valueAt 0;
    in
    if result.next == length tokens then result.value else refuse number closing;

  single =
    number: written:
    let
      quoted = quotedAt number written;
    in
    if match "[\"'].*" written == null then
      plainAt number (head (split " +#" written))
    else if match "( +#.*)?" quoted.rest == null then
      refuse number "something behind a text in quotes."
    else
      quoted.value;

  # { value; rest; } of what begins with a quote. Not by one expression: those run out of stack in long texts.
  quotedAt =
    number: written:
    let
      mark = substring 0 1 written;
      inner = if mark == "'" then "(''|')" else "(\\\\x..|\\\\u....|\\\\U........|\\\\.|\")";
      parts = split inner (from 1 written);
      ends = filter (index: elemAt parts index == [ mark ]) (genList (index: index) (length parts));
      end = head ends;
      between =
        start: stop: change:
        concatStringsSep "" (
          genList (
            index:
            let
              part = elemAt parts (start + index);
            in
            if isList part then change (head part) else part
          ) (stop - start)
        );
      inDouble = between 0 end (escaped number);
    in
    if ends == [ ] then
      refuse number "a quote that is not closed on its line."
    else
      {
        value =
          if mark == "'" then
            between 0 end (_: "'")
          else if end == 0 then
            inDouble
          else
            (builtins.fromTOML "value = \"${inDouble}\"").value;
        rest = between (end + 1) (length parts) (part: part);
      };

  # As TOML writes it, which Nix reads.
  escaped =
    number: escape:
    let
      others = {
        "\\a" = "\\u0007";
        "\\v" = "\\u000B";
        "\\e" = "\\u001B";
        "\\N" = "\\u0085";
        "\\_" = "\\u00A0";
        "\\L" = "\\u2028";
        "\\P" = "\\u2029";
      };
      hex = "[0-9a-fA-F]";
      isCharacter =
        match "\\\\x${hex}{2}|\\\\u([0-9a-cefA-CEF]${hex}|[dD][0-7])${hex}{2}|\\\\U00(0[1-9a-fA-F]|10)${hex}{4}" escape
        != null;
    in
    others.${escape} or (
      if match "\\\\[\"\\bfnrt]" escape != null then
        escape
      else if !isCharacter || match "\\\\[xu]0+" escape != null then
        refuse number "\"${escape}\" in a text, which is not read here; write the character."
      else if text.hasPrefix "\\x" escape then
        "\\u00${from 2 escape}"
      else
        escape
    );

  plainAt =
    number: plain:
    if match "[]\"'{}[,&*!|>%@`#].*|[-?:]( .*)?|" plain != null then
      refuse number "\"${substring 0 1 plain}\" begins something of YAML that is not read here; allowed: plain, 'quoted' and \"quoted\" values, [lists] and {mappings: of them}, and texts below |."
    else if match ".*(:( .*)?| #.*)" plain != null then
      refuse number "\":\" or \"#\" within a value; put the value in quotes."
    else
      typed number plain;

  # As the core schema of YAML 1.2 has it. What some programs read as another number, or as a date, is refused.
  typed =
    number: plain:
    let
      bare = builtins.replaceStrings [ "_" ] [ "" ] plain;
    in
    if match "true|True|TRUE" plain != null then
      true
    else if match "false|False|FALSE" plain != null then
      false
    else if match "~|null|Null|NULL" plain != null then
      null
    else if
      match "-0(\\.0*)?([eE].*)?" plain == null
      &&
        match "-?(0|[1-9][0-9]{0,14})(\\.[0-9]{1,20})?([eE][-+]?([0-9]{1,2}|[12][0-9]{2}))?" plain != null
    then
      builtins.fromJSON plain
    else if
      match "[-+]?(\\.[0-9]+|[0-9]+(\\.[0-9]*)?)([eE][-+]?[0-9]+)?|0x[0-9a-fA-F]+|[-+]?0[0-9bBoOX].*|[-+]0x.*|[-+]?[0-9]{16}.*|[-+]?\\.([iI][nN][fF]|[nN][aA][nN])|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*" plain
      != null
      || (match "[-+.0-9].*_.*" plain != null && match "[-+]?[0-9.][0-9a-fA-FxXoO.+-]*" bare != null)
    then
      refuse number "${plain}, which some programs read as another value; put it in quotes if it is text."
    else
      plain;

  # Line ends that only some programs know, and what no program prints.
  odd =
    let
      controls = builtins.fromJSON ''"[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f]"'';
      ends = builtins.fromJSON ''"\u0085|\u2028|\u2029|\ufeff"'';
    in
    split "(${controls}|\r[^\n]|\r$|${ends})" content;

  result = mapping 0 0 { };
in
if length odd > 1 then
  refuse (
    length (split "\n" (head odd)) / 2 + 1
  ) "a character that is not written in a text; remove it."
else if count == 0 then
  null
else if (at 0).indent != 0 || result.next != count then
  refuse (at (if (at 0).indent != 0 then 0 else result.next)).number
    "indented differently from the lines above."
else
  builtins.deepSeq result.value result.value
