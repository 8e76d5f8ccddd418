#!/bin/sh
# Makes the pictures of the documentation: the example site live, one channel broken, then two IOCs dead.
set -eu
cd "$(dirname "$0")/.."
bin=$PWD/.venv/bin
out=$PWD/docs/img
work=$(mktemp -d)
export SIPMDCS_SITE="$work/site"
cp -r examples/padme-like "$SIPMDCS_SITE"
rm -rf "$SIPMDCS_SITE/var"
# Not on the default ports: a real site may run on this machine.
cat >> "$SIPMDCS_SITE/site.yaml" <<'YAML'
channel_access: {server_port: 25164, repeater_port: 25165}
archiver: {port: 25166}
alarms: {port: 25167}
logbook: {port: 25168}
web: {port: 25169}
memcached: {port: 25170}
YAML
demo=
finish() {
    [ -z "$demo" ] || kill -TERM "$demo" 2>/dev/null || true
    [ -z "$demo" ] || wait "$demo" || true
    "$bin/sipmdcs" down >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap finish EXIT

"$bin/sipmdcs" demo --headless > "$work/demo.log" 2>&1 &
demo=$!
until grep -q '^Ctrl-C ends it' "$work/demo.log"; do
    kill -0 "$demo" || { cat "$work/demo.log"; exit 1; }
    sleep 1
done
echo "screenshots: live, collecting two minutes of history"
sleep 90
"$bin/sipmdcs" sim fault HV23 3 extra-current 5
sleep 10
"$bin/sipmdcs" opi screenshots "$out" --channel PADME:PVETO:HV23:CH03
echo "screenshots: stopping IOCs eveto-b and hepveto"
"$bin/sipmdcs" down eveto-b hepveto
sleep 20
mkdir "$work/dead"
"$bin/sipmdcs" opi screenshots "$work/dead" --channel PADME:HEPVETO:HV17:CH01
cp "$work/dead/overview.png" "$out/overview-two-iocs-dead.png"
cp "$work/dead/channel.png" "$out/channel-of-a-dead-ioc.png"
ls -l "$out"
