# Copies a bot's documents into its workspace, if there is none yet or it is empty. What the bot has written since is never touched.
# Run as the bot, before it starts, with WORKSPACE (the target) and DOCUMENTS (a folder of *.md files) set.
set -euo pipefail
export LC_ALL=C

if [[ -e $WORKSPACE && -n $(ls -A -- "$WORKSPACE") ]]; then
  exit 0
fi
# Renamed when it is whole: a workspace that a crash left half filled would never be completed.
rm -rf -- "$WORKSPACE.new"
mkdir -- "$WORKSPACE.new"
for document in "$DOCUMENTS"/*.md; do
  [[ -e $document ]] || continue
  # The store's files are read-only, and the bot may edit its copies.
  install --mode=600 -- "$document" "$WORKSPACE.new/"
done
mv --no-target-directory -- "$WORKSPACE.new" "$WORKSPACE"
