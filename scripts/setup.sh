#!/bin/sh
# Sets up what the scripts in package.json need: packages, the types of Hetzner's API, and the engine. Fast if nothing is missing.
# Not a postinstall script: .npmrc disables those. `setup.sh packages`: everything except the engine.
set -eu
# Predictable names in /tmp: Node 22 and tsx keep caches in folders that another user of the machine could have created.
export NODE_DISABLE_COMPILE_CACHE=1 TSX_DISABLE_CACHE=1
cd "$(dirname "$0")/.."
node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' || {
  echo "clawdlets needs Node 20 or newer; this is $(node --version). On Debian: see https://nodejs.org/en/download" >&2
  exit 4
}
if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo "setup: installing packages" >&2
  npm ci --no-progress --loglevel=error >&2
  touch node_modules/.package-lock.json
fi
# npx runs a package's own command only if it is linked, and npm links only those of dependencies.
ln -sf ../../bin/clawdlets.mjs node_modules/.bin/clawdlets
if [ ! -f core/base/hetzner/_generated/api.d.ts ] || [ emulator/openapi/openapi.json -nt core/base/hetzner/_generated/api.d.ts ]; then
  mkdir -p core/base/hetzner/_generated
  node_modules/.bin/openapi-typescript emulator/openapi/openapi.json -o core/base/hetzner/_generated/api.d.ts >/dev/null
fi
[ "${1:-}" = packages ] || node --import ./bin/typescript.mjs scripts/toolchain.ts >/dev/null
