"""The program a DHCP server calls for each lease: it keeps one hosts file for each address, which dnsmasq reads.

In plain shell, because a server may call it for hundreds of machines at once. What a machine calls itself is a
stranger's text: only one label of letters, digits and dashes becomes a name, and it never leaves this program's quotes.
The first machine of a name keeps it; a later one gets the end of its hardware address added. A machine cannot have a
name of the master's, nor one that is reserved for another or is another's node.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from edge.dhcp.model import File, Places, Reservation, Zone

ISC_ARGUMENTS = """[ $# -ge 2 ] || exit 0
event=$1 address=$2 mac=${3:-} name=${4:-}
# dhcpd waits for us, and all machines for it.
changed </dev/null >/dev/null 2>&1 &"""
DNSMASQ_ARGUMENTS = """[ $# -ge 3 ] || exit 0
event=$1 mac=$2 address=$3 name=${DNSMASQ_SUPPLIED_HOSTNAME:-${4:-}}
changed"""
KEA_ARGUMENTS = """case ${1:-} in
  leases4_committed)
    number=0
    while [ "$number" -lt "${LEASES4_SIZE:-0}" ]; do
      eval "address=\\${LEASES4_AT${number}_ADDRESS:-} mac=\\${LEASES4_AT${number}_HWADDR:-}"
      eval "name=\\${LEASES4_AT${number}_HOSTNAME:-}"
      event=add
      changed
      number=$((number + 1))
    done
    number=0
    while [ "$number" -lt "${DELETED_LEASES4_SIZE:-0}" ]; do
      eval "address=\\${DELETED_LEASES4_AT${number}_ADDRESS:-} mac=\\${DELETED_LEASES4_AT${number}_HWADDR:-}"
      event=del name=
      changed
      number=$((number + 1))
    done ;;
  lease4_renew)
    event=add address=${LEASE4_ADDRESS:-} mac=${LEASE4_HWADDR:-} name=${LEASE4_HOSTNAME:-}
    changed ;;
  lease4_expire | lease4_release | lease4_decline)
    event=del address=${LEASE4_ADDRESS:-} mac=${LEASE4_HWADDR:-} name=
    changed ;;
esac"""

_BODY = r"""
set -u
LC_ALL=C
export LC_ALL
umask 022

# Sets mac to lower case with two digits in each group, or to nothing.
tidy_mac() {
  groups=
  case $mac in *[A-F-]*) mac=$(printf '%s' "$mac" | tr 'A-F-' 'a-f:') ;; esac
  rest=$mac:
  mac=
  while [ -n "$rest" ]; do
    group=${rest%%:*} rest=${rest#*:}
    case $group in
      [0-9a-f]) group=0$group ;;
      [0-9a-f][0-9a-f]) ;;
      *) return ;;
    esac
    groups=$groups${groups:+:}$group
  done
  mac=$groups
}

# Sets name to one lower-case label, or to nothing.
tidy_name() {
  case $name in *[!A-Za-z0-9.-]*) name= ;; esac
  name=${name%%.*}
  case $name in *[A-Z]*) name=$(printf '%s' "$name" | tr 'A-Z' 'a-z') ;; esac
  case $name in -* | *-) name= ;; esac
  [ "${#name}" -le 63 ] || name=
  for word in $kept; do
    [ "$name" != "$word" ] || name=
  done
}

# Whether another machine has the name $1. An address this machine had before goes, and its name with it.
taken() {
  for file in "${reserved%/*}"/*; do
    [ -f "$file" ] || continue
    while read -r its_address its_name; do
      [ "$its_name" != "$1" ] || [ "$its_address" = "$address" ] || return 0
    done <"$file"
  done
  for file in $(grep -l -s -e " $1 # " "$names"/[0-9]*); do
    [ "$file" != "$names/$address" ] || continue
    read -r its_address its_name hash its_mac <"$file"
    [ "$its_mac" = "$mac" ] || return 0
    rm -f "$file"
  done
  return 1
}

change() {
  if [ "$event" = del ]; then
    if [ -f "$names/$address" ]; then
      read -r its_address its_name hash its_mac <"$names/$address"
      { [ -n "$mac" ] && [ "$its_mac" != "$mac" ]; } || rm -f "$names/$address"
    fi
    return
  fi
  if [ -f "$reserved" ] && grep -q -s -e "^$address " "$reserved"; then
    rm -f "$names/$address"  # its name comes with the reservation
    return
  fi
  if [ -f "$names/$address" ]; then
    read -r its_address its_name hash its_mac <"$names/$address"
    # A server that starts again does not know any more how the machine called itself.
    [ "$its_mac" != "$mac" ] || { [ -n "$name" ] && [ "$its_name" != "$name" ]; } || return
  fi
  if [ -n "$name" ] && taken "$name"; then
    name=$(printf '%.50s-%s' "$name" "$(printf '%s' "$mac" | cut -d: -f4- | tr -d :)")
    ! taken "$name" || name=
  fi
  if [ -z "$name" ]; then
    rm -f "$names/$address"
    return
  fi
  line="$address $name # $mac"
  if [ -f "$names/$address" ] && read -r old <"$names/$address" && [ "$old" = "$line" ]; then
    return
  fi
  printf '%s\n' "$line" >"$names/.$address.new" && mv -f "$names/.$address.new" "$names/$address"
}

changed() {
  case $address in '' | *[!0-9.]* | *.*.*.*.*) return ;; *.*.*.*) ;; *) return ;; esac
  tidy_mac
  [ -n "$mac" ] || [ "$event" = del ] || return
  tidy_name
  case $event in
    add | old | del) (flock 9 && change) 9>"$names/.lock" ;;
  esac
}

"""


def file(zone: Zone, places: Places, arguments: str) -> File:
    """Return the program for a server whose way of calling it is `arguments`."""
    text = (f"#!/bin/sh\n# Called by the DHCP server for each lease that comes, changes or goes.\n"
            f"names={shlex.quote(str(places.names))}\nreserved={shlex.quote(str(places.reserved_names))}\n"
            f"kept={shlex.quote(' '.join(zone.kept))}\n{_BODY}{arguments}\nexit 0\n")
    return File(name=places.hook.name, text=text, check=("sh", "-n", "{}"), mode=0o755,
                noticed="itself")


def reserved(reservations: Sequence[Reservation], places: Places) -> File:
    """Return the hosts file of the names that come with reservations, whether their machine is there or not."""
    return File(name=str(places.reserved_names.relative_to(places.config_dir)), noticed="itself",
                text="".join(f"{one.address} {one.name}\n" for one in reservations if one.name))
