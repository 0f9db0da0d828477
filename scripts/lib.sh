# Sourced by the other scripts: installs what is missing, once, and says so.
# shellcheck shell=sh
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
venv=$root/.venv
packages="ca-certificates conmon crun catatonit podman mosquitto dnsmasq-base nftables iproute2 busybox-static util-linux mount python3 python3-venv"

say() { printf '%s\n' "$*"; }
stop() { printf 'error: %s\n' "$*" >&2; exit 1; }

install_packages() {
  missing=""
  for package in $packages "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
  done
  [ -z "$missing" ] && return 0
  [ "$(id -u)" = 0 ] || stop "these Debian packages are missing:$missing. Run this as root, or: sudo apt-get install$missing"
  command -v apt-get >/dev/null || stop "this is no Debian; install by hand:$missing"
  say "installing:$missing"
  log=$(mktemp)
  # Services of the packages are not wanted here: the rack runs its own, in its own namespaces.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  # shellcheck disable=SC2086
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing; } \
    >"$log" 2>&1 </dev/null || { tail -n 20 "$log" >&2; stop "apt-get could not install$missing (whole log: $log)"; }
  rm -f /usr/sbin/policy-rc.d "$log"
  trap - EXIT
}

# python_environment EXTRA: a virtual environment with exactly the locked versions, and this checkout in it.
python_environment() {
  extra=$1
  lock=requirements/$extra.lock
  wanted=$(cat "$lock" pyproject.toml | sha256sum | cut -c1-16)-$root
  [ -x "$venv/bin/python" ] && [ "$(cat "$venv/installed-$extra" 2>/dev/null)" = "$wanted" ] && return 0
  python=${PYTHON:-}
  if [ -z "$python" ]; then
    for candidate in /usr/bin/python3 python3; do
      if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
      fi
    done
  fi
  [ -n "$python" ] || stop "Python 3.11 or newer with venv is needed: apt-get install python3 python3-venv"
  say "installing the Python packages of $lock into .venv"
  [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
  log=$(mktemp)
  { "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps --require-hashes -r "$lock" &&
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .; } \
    >"$log" 2>&1 </dev/null || { tail -n 20 "$log" >&2; stop "pip could not install $lock (whole log: $log)"; }
  rm -f "$log"
  printf '%s' "$wanted" >"$venv/installed-$extra"
}
