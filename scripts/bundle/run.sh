#!/bin/sh
# Builds, tests and measures isotorch here, without a network: ./run.sh --help. Everything is done by the Node that came
# along, so this file needs nothing but a shell. Another Node can stand in for it: ISOTORCH_NODE=/path/to/node.
case $0 in
  */*) here=${0%/*} ;;
  *) here=. ;;
esac
node=${ISOTORCH_NODE:-$here/bin/node}
if ! "$node" -e 0; then
  echo "run.sh: $node does not run on this machine (see above)." >&2
  echo "Next: name a Node 20.19 or later that does, ISOTORCH_NODE=/path/to/node, or unpack a bundle made for this platform." >&2
  exit 1
fi
exec "$node" "$here/scripts/bundle/run.mjs" "$@"
