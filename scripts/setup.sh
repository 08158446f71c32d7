#!/usr/bin/env bash
# Installs what building or testing Skywave needs and this machine lacks.
#
#   scripts/setup.sh build    a compiler, cmake, the wasm32 target, npm packages of the site
#   scripts/setup.sh lint     that, and the npm packages of the browser tests
#   scripts/setup.sh test     that, and browsers, a sound server, encoders, players and a foreign client
#   scripts/setup.sh bench    what building needs, and the servers `make bench` measures beside ours
#
# Every requirement is looked for directly, so a run that finds nothing missing takes
# well under a second and touches no network.
set -euo pipefail
cd "$(dirname "$0")/.."

level=${1:-build}
case $level in
build | bench | lint | test) ;;
*)
    echo "usage: scripts/setup.sh [build|bench|lint|test]" >&2
    exit 2
    ;;
esac

say() { echo "setup: $*"; }
die() {
    echo "setup: $*" >&2
    exit 1
}

# One requirement a line: what must be found (a command, or a file pattern holding a
# slash), then the Debian packages that bring it.
build_needs='
cc                                              gcc libc6-dev
c++                                             g++
cmake                                           cmake
pkg-config                                      pkg-config
'
bench_needs='
taskset                                         util-linux
/usr/bin/icecast2                               icecast2
'
test_needs='
chromium                                        chromium
firefox-esr                                     firefox-esr
WebKitWebDriver                                 webkit2gtk-driver
/usr/lib/*/gstreamer-1.0/libgstaudioconvert.so  gstreamer1.0-plugins-base
/usr/lib/*/gstreamer-1.0/libgstpulseaudio.so    gstreamer1.0-plugins-good
Xvfb                                            xvfb
pulseaudio                                      pulseaudio
pactl                                           pulseaudio-utils
ffmpeg                                          ffmpeg
curl                                            curl
unshare                                         util-linux
ezstream                                        ezstream
liquidsoap                                      liquidsoap
mpv                                             mpv
vlc                                             vlc-bin
/usr/lib/*/vlc/plugins/codec/libopus_plugin.so  vlc-plugin-base
setpriv                                         util-linux
gst-launch-1.0                                  gstreamer1.0-tools
/usr/lib/*/gstreamer-1.0/libgstshout2.so        gstreamer1.0-plugins-good
/usr/lib/postgresql/*/bin/initdb                postgresql
/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf fonts-dejavu-core
'

found() {
    case $1 in
    */*) compgen -G "$1" >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

# Prints the packages of the unmet requirements among those given.
missing_packages() {
    local need packages
    while read -r need packages; do
        [ -z "$need" ] || found "$need" || echo "$packages"
    done <<<"$1"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "need root (or sudo) to run: $*"
    fi
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -q -y "$@"
}

install_packages() {
    local packages=("$@")
    command -v apt-get >/dev/null ||
        die "missing here; on Debian these would be the packages: ${packages[*]}. Install their like, then run this again."
    say "installing with apt: ${packages[*]}"
    # The package index of a bare machine is empty or old: refresh it only when it does not serve.
    if ! apt install --no-install-recommends "${packages[@]}" >/dev/null 2>&1; then
        say "refreshing the package index"
        apt update >/dev/null
        apt install --no-install-recommends "${packages[@]}"
    fi
}

system_packages() {
    local needs=$build_needs packages
    [ "$level" != bench ] || needs+=$bench_needs
    [ "$level" != test ] || needs+=$test_needs
    read -r -d '' -a packages <<<"$(missing_packages "$needs")" || true
    [ ${#packages[@]} = 0 ] || install_packages "${packages[@]}"
    local left
    left=$(missing_packages "$needs")
    [ -z "$left" ] || die "still missing after installing: $left"
}

rust() {
    command -v cargo >/dev/null || die "no cargo: install Rust with rustup first"
    # The target's own library is the proof: `rustup target list` takes a while, and a
    # toolchain not managed by rustup has none.
    [ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown/lib" ] && return
    command -v rustup >/dev/null || die "the wasm32-unknown-unknown target is missing and there is no rustup to add it"
    say "adding the wasm32-unknown-unknown target"
    rustup target add wasm32-unknown-unknown
}

# npm ci when the lock file is newer than what is installed.
npm_packages() {
    local folder=$1 what=$2 stamp=$1/node_modules/.installed
    [ -f "$folder/package-lock.json" ] || return 0
    [ -f "$stamp" ] && cmp -s "$folder/package-lock.json" "$stamp" && return
    say "installing npm packages of $what"
    (cd "$folder" && PUPPETEER_SKIP_DOWNLOAD=1 PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 \
        npm ci --no-audit --no-fund --loglevel=error)
    cp "$folder/package-lock.json" "$stamp"
}

# WebTransport by somebody else, in a virtual environment of its own. The copy of the
# requirements tells what is installed.
foreign_clients() {
    local wanted=tests/foreign/requirements.txt
    local home=${CARGO_TARGET_DIR:-target}/foreign
    cmp -s "$wanted" "$home/.installed" && "$home/bin/python" -c "import aioquic" 2>/dev/null && return
    say "installing Python packages of the whole-system tests"
    rm -rf "$home"
    mkdir -p "$(dirname "$home")"
    # Debian's Python comes without what makes environments.
    if ! python3 -m venv "$home" >/dev/null 2>&1; then
        install_packages python3 python3-venv
        python3 -m venv "$home"
    fi
    "$home/bin/python" -m pip install -q --disable-pip-version-check -r "$wanted"
    cp "$wanted" "$home/.installed"
}

node_major() { node --version | sed 's/^v\([0-9]*\).*/\1/'; }

system_packages
rust
command -v node >/dev/null && command -v npm >/dev/null || die "no Node.js: install version 20 or newer with npm"
[ "$(node_major)" -ge 20 ] || die "Node.js $(node --version) is too old: version 20 or newer is needed"
npm_packages web-demo "the site"
[ "$level" = build ] || [ "$level" = bench ] || npm_packages web-demo/e2e "the browser tests"
[ "$level" != test ] || foreign_clients
