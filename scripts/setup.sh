#!/usr/bin/env bash
# Brings what the project needs: `setup.sh` the npm packages, `setup.sh demo` also what a container needs to run,
# `setup.sh bench` also whom we are timed against, `setup.sh test` every peer the tests compare with. Idempotent;
# installs only what is not on PATH, starts no service.
set -euo pipefail
cd "$(dirname "$0")/.."
level=${1:-build}

say() { echo "setup: $*" >&2; }
fail() {
  say "$*"
  exit 1
}

npm_packages() {
  local want have
  want=$(sha256sum package-lock.json | cut -d' ' -f1)
  have=$(cat node_modules/.ctr-lock 2>/dev/null || true)
  if [ "$want" != "$have" ]; then
    say "installing npm packages"
    npm ci --no-audit --no-fund --loglevel=error >&2 || fail "npm ci failed: is the npm registry reachable?"
    echo "$want" >node_modules/.ctr-lock
  fi
  if ! node_modules/.bin/bun --version >/dev/null 2>&1; then
    say "npm ran no install scripts: putting bun's program in place"
    (cd node_modules/bun && node install.js) >&2
  fi
  node_modules/.bin/bun --version >/dev/null || fail "bun does not start on this machine"
}

# "command package" lines: what is missing is told by the command, so another vendor's package will do.
demo_parts="
runc runc
docker-registry docker-registry
mount mount
nsenter util-linux
tar tar
gzip gzip
"
bench_parts="$demo_parts
containerd containerd
ctr containerd
mkfs.ext4 e2fsprogs
busybox busybox-static
go golang-go
curl curl
igzip isal
"
test_parts="$demo_parts
containerd containerd
ctr containerd
umoci umoci
busybox busybox-static
skopeo skopeo
strace strace
tmux tmux
zsh zsh
fish fish
ps procps
ip iproute2
iptables iptables
mkfs.ext4 e2fsprogs
script bsdutils
setfattr attr
setpriv util-linux
htpasswd apache2-utils
openssl openssl
go golang-go
buildah buildah
mkfs.erofs erofs-utils
veritysetup cryptsetup-bin
"
# Libraries have no command: a file tells.
bench_files="
/usr/share/gocode/src/github.com/containerd/containerd golang-github-containerd-containerd-dev
"
test_files="
/usr/share/gocode/src/github.com/containerd/containerd golang-github-containerd-containerd-dev
/usr/bin/docker docker.io
/usr/lib/cni/bridge containernetworking-plugins
/usr/share/gocode/src/github.com/container-orchestrated-devices golang-github-container-orchestrated-devices-container-device-interface-dev
"
# What test images are made of, and a parser that would load its profiles when installed: unpacked here, never installed.
demo_debs="busybox-static"
test_debs="$demo_debs apparmor nginx nginx-common libpcre2-8-0 libssl3 zlib1g libcrypt1 libc6"

missing_packages() { # parts, files
  while read -r command package; do
    [ -z "$command" ] || PATH="$PATH:/usr/sbin:/sbin" command -v "$command" >/dev/null || echo "$package"
  done <<<"$1"
  while read -r file package; do
    [ -z "$file" ] || [ -e "$file" ] || echo "$package"
  done <<<"$2"
}

as_root_on_debian() { # what for
  command -v apt-get >/dev/null || fail "$1: this script knows only Debian and Ubuntu; install them by hand"
  [ "$(id -u)" = 0 ] || fail "$1: run this as root, or install them by hand"
}

apt_updated=
apt_update() {
  [ -n "$apt_updated" ] || apt-get update -qq >&2 || fail "apt-get update failed"
  apt_updated=1
}

# Packages start their services when installed; a policy that says no keeps that from happening, here only.
without_services() {
  local policy=/usr/sbin/policy-rc.d
  [ ! -e "$policy" ] || { "$@"; return; }
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  local code=0
  "$@" || code=$?
  rm -f "$policy"
  return "$code"
}

apt_packages() { # parts, files
  local missing
  missing=$(missing_packages "$1" "$2" | sort -u | xargs)
  [ -n "$missing" ] || return 0
  as_root_on_debian "missing packages: $missing"
  say "installing $missing"
  apt_update
  # shellcheck disable=SC2086 # a list of words is meant
  DEBIAN_FRONTEND=noninteractive without_services apt-get install -y -qq --no-install-recommends --no-remove $missing >&2 ||
    fail "apt-get could not install $missing without removing something"
}

image_packages() { # names
  local dir=.cache/debs
  mkdir -p "$dir"
  for package in $1; do
    compgen -G "$dir/${package}_*.deb" >/dev/null && continue
    as_root_on_debian "missing the package $package"
    say "downloading $package"
    apt_update
    (cd "$dir" && apt-get -o APT::Sandbox::User=root download -qq "$package" >&2) || fail "cannot download $package"
  done
}

# The shim is all the embedded engine takes of containerd, so it is taken out of the package and no daemon is installed.
shim() {
  local name=containerd-shim-runc-v2 dir=libexec/ctr work
  PATH="$PATH:/usr/sbin:/sbin" command -v $name >/dev/null && return
  [ ! -x "$dir/$name" ] || return 0
  image_packages containerd
  say "taking $name out of Debian's containerd package"
  work=$(mktemp -d)
  dpkg-deb -x .cache/debs/containerd_*.deb "$work"
  mkdir -p "$dir"
  install -m 755 "$work/usr/bin/$name" "$dir/$name"
  rm -rf "$work"
}

npm_packages
case "$level" in
  build) ;;
  demo)
    apt_packages "$demo_parts" ""
    image_packages "$demo_debs"
    shim
    ;;
  bench)
    apt_packages "$bench_parts" "$bench_files"
    image_packages "$demo_debs"
    ;;
  test)
    apt_packages "$test_parts" "$test_files"
    image_packages "$test_debs"
    ;;
  *) fail "usage: setup.sh [build|demo|bench|test]" ;;
esac
