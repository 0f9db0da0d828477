"""For every check of `edgectl doctor --here`: a board where all is well, and boards where it is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from edge.edgectl.doctor import here_network, here_programs
from edge.edgectl.doctor.here import AGENT_SETTINGS, RACK_SETTINGS, Disk, Facts
from edge.edgectl.doctor.results import Level
from edge.pki import authority, names
from tests.cases.doctor_boards import (
    ADDRESSES,
    BARE_MASTER,
    CGROUPS_OFF,
    CGROUPS_V1,
    CMDLINE,
    DEBIAN,
    DEFAULT_ROUTE,
    HOME_ROUTE,
    LINKS,
    LISTENING,
    MASTER,
    MOUNTS,
    NOW,
    PI3,
    PI4,
    PI5,
    ROUTE,
    RULES,
    Cases,
    Trouble,
    changed,
    link,
    links,
    said,
    units,
)

WARNING, PROBLEM = Level.WARNING, Level.PROBLEM
V2 = "sys/fs/cgroup/cgroup.controllers"
CERTIFICATE = "var/lib/edge/agent/identity/node.crt"
MEMORY_OFF = {V2: "cpuset cpu io pids", "boot/firmware/cmdline.txt": f"{CMDLINE}\n"}
DOCKER = "table ip filter {\n\tchain FORWARD {\n\t\ttype filter hook forward priority filter; policy drop;\n\t}\n}\n"
UFW = "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n"
TIMESYNC = ("timedatectl", "show-timesync", "--property=ServerAddress", "--value")
CHRONY = ("chronyc", "-c", "-n", "tracking")
POWER_SAVE = ("iw", "dev", "wlan0", "get", "power_save")


def certificate(days: int) -> str:
    """Return a node's certificate that is valid for so many days from now."""
    pair = authority.issue(authority.create_ca(NOW), names.node("node-1"), NOW, days=days)
    return pair.certificate.decode()


def mounted(line: str) -> dict[str, str | None]:
    """Return a board's files with another mount in front."""
    return {"proc/mounts": f"{line}\n" if " / " in line else MOUNTS + f"{line}\n"}


def disk(free: int, inodes_free: int = 900) -> dict[str, Disk]:
    return {"/": Disk(size=1000, free=free, inodes=1000, inodes_free=inodes_free)}


def without_modules(*missing: str, installed: tuple[str, ...] = PI5.folders["lib/modules"]) -> Facts:
    """Return a board whose kernel lacks modules."""
    return changed(PI5, programs={("modprobe", "--dry-run", "--quiet", name): said("", 1) for name in missing},
                   folders={**PI5.folders, "lib/modules": installed})


HERE: dict[str, Cases] = {
    "word-size": Cases(
        good=PI5,
        bad=[Trouble(changed(PI3, programs={("uname", "-m"): said("armv7l\n")}), says="not 64-bit (armv7l)"),
             Trouble(changed(PI4, programs={("dpkg", "--print-architecture"): said("armhf\n")}),
                     says="the programs are armhf", next="flash the 64-bit")],
        unknown=changed(PI5, programs={("uname", "-m"): None})),
    "memory-cgroup": Cases(
        good=PI5,
        bad=[Trouble(changed(PI5, files=MEMORY_OFF), says="the memory cgroup is off",
                     next="add `cgroup_memory=1 cgroup_enable=memory` at the end of the one line of "
                          "/boot/firmware/cmdline.txt"),
             Trouble(changed(PI5, files=MEMORY_OFF | {
                 "boot/firmware/cmdline.txt": f"{CMDLINE} cgroup_enable=memory\n"}), next="add `cgroup_memory=1` at"),
             Trouble(changed(PI5, files=MEMORY_OFF | {
                 "boot/firmware/cmdline.txt": f"{CMDLINE}\ncgroup_memory=1 cgroup_enable=memory\n"}),
                 says="on a line of their own", next="move `cgroup_memory=1 cgroup_enable=memory` to the end"),
             Trouble(changed(PI5, files={V2: "cpuset cpu io pids"}), says="was not started with them",
                     next="sudo reboot"),
             Trouble(changed(PI3, files={V2: None, "proc/cgroups": CGROUPS_OFF, "boot/firmware/cmdline.txt": None,
                                         "boot/cmdline.txt": f"{CMDLINE}\n"}), next="/boot/cmdline.txt"),
             Trouble(changed(DEBIAN, files={V2: "cpu pids"}), next="to the kernel's command line")],
        unknown=changed(PI5, files={V2: None, "proc/cgroups": None})),
    "cgroups": Cases(
        good=PI5,
        bad=[Trouble(changed(PI5, files={V2: "cpuset memory"}), says="lacks the controllers cpu, pids"),
             Trouble(changed(PI5, files={V2: None, "proc/cgroups": CGROUPS_V1}), WARNING, "control groups v1")],
        unknown=changed(PI5, files={V2: None, "proc/cgroups": None})),
    "kernel-modules": Cases(
        good=PI5,
        bad=[Trouble(without_modules("nft_masq"), says="no module nft_masq"),
             Trouble(without_modules("nft_masq", installed=("6.12.40+rpt-rpi-2712",)),
                     says="the running kernel 6.12.34+rpt-rpi-2712 are gone", next="sudo reboot")],
        unknown=without_modules("nft_masq", installed=())),
    "container-engine": Cases(
        good=PI4,
        bad=[Trouble(changed(PI5, programs={("podman", "--version"): None, ("nft", "--version"): None}),
                     says="podman, nft cannot be run", next="apt-get install --no-install-recommends podman nftables"),
             Trouble(changed(PI5, programs={("podman", "--version"): said("podman version 3.0.1")}),
                     says="Podman 3.0.1 is too old")]),
    "root-file-system": Cases(
        good=PI5,
        bad=[Trouble(changed(PI5, files=mounted("10.0.0.9:/pi / nfs4 rw,vers=4.2 0 0")), says="is nfs4: containers"),
             Trouble(changed(PI5, files=mounted("overlay / overlay rw,lowerdir=/l,upperdir=/u 0 0")),
                     says="an overlay in memory", next="disable_overlayfs"),
             Trouble(changed(PI5, files=mounted("/dev/mmcblk0p2 / ext4 ro,noatime 0 0")), says="read-only")],
        unknown=changed(PI5, files={"proc/mounts": None})),
    "container-storage": Cases(
        good=PI5,
        bad=[Trouble(changed(PI5, files=mounted("nas:/c /var/lib/containers nfs rw 0 0")), says="is on nfs"),
             Trouble(changed(PI5, files=mounted("/dev/sda1 /var/lib/containers exfat rw 0 0")), says="is on exfat")],
        unknown=changed(PI5, files={"proc/mounts": None})),
    "disk-room": Cases(
        good=PI5,
        bad=[Trouble(changed(PI5, disks=disk(free=20)), says="/ is full (98%)", next="podman image prune"),
             Trouble(changed(PI5, disks=disk(free=100)), WARNING, "/ is nearly full (90%)"),
             Trouble(changed(PI5, disks=disk(free=600, inodes_free=10)), says="full of small files (99%)")],
        unknown=changed(PI5, disks={})),
    "card-errors": Cases(
        good=PI5,
        bad=[Trouble(changed(PI5, programs={("dmesg",): said(
            "[  9.1] mmc0: Timeout waiting for hardware interrupt.\n[ 88.2] mmc0: error -110 whilst initialising card\n"
            "[ 90.0] I/O error, dev mmcblk0, sector 1234 op 0x1:(WRITE)\n")}),
            says="since the last start: 3, the last one: I/O error, dev mmcblk0"),
             Trouble(changed(PI5, programs={("dmesg",): said(
                 "[1.0] EXT4-fs error (device mmcblk0p2): ext4_lookup:1785: inode #1: comm ls: deleted inode\n")}),
                 says="since the last start: 1,")],
        unknown=changed(PI5, programs={("dmesg",): said("dmesg: read kernel buffer failed", 1)})),
    "card-wear": Cases(
        good=changed(PI5, files={"sys/block/mmcblk0/device/life_time": "0x01 0x02\n"}),
        bad=[Trouble(changed(PI5, files={"sys/block/mmcblk0/device/life_time": "0x0b 0x01\n"}),
                     says="mmcblk0 has used 100 % or more"),
             Trouble(changed(PI5, files={"sys/block/mmcblk0/device/life_time": "0x09 0x0a\n"}), WARNING, "100 %")],
        unknown=changed(PI5, files={"sys/block/mmcblk0/device/life_time": "0x00 0x00\n"}), none=[PI5]),
    "swap": Cases(
        good=PI5,
        bad=[Trouble(changed(PI4, files={"proc/swaps": "Filename Type Size Used Priority\n/var/swap file 204796 0 "
                                                       "-2\n"}),
                     WARNING, "swap is on the card (/var/swap)", "dphys-swapfile")],
        unknown=changed(PI5, files={"proc/swaps": None})),
    "settings-files": Cases(
        good=MASTER,
        bad=[Trouble(changed(MASTER, files={RACK_SETTINGS: 'address = "10.0.0.1/24'}),
                     says="/etc/edge/rack.toml is not TOML", next="sudoedit /etc/edge/rack.toml"),
             Trouble(changed(PI5, files={AGENT_SETTINGS: None}), WARNING, "no part of a rack yet", "edgectl join")]),
    "identity": Cases(
        good=PI5,
        bad=[Trouble(changed(PI5, files={"etc/hostname": "raspberrypi\n"}), WARNING, "as on every new card",
                     "hostnamectl"),
             Trouble(changed(PI5, files={"etc/hostname": "my_pi\n"}), says="cannot be the name of a node"),
             Trouble(changed(PI5, files={"etc/machine-id": "uninitialized\n"}), WARNING, "no machine id")],
        unknown=changed(PI5, files={"etc/hostname": None})),
    "node-certificate": Cases(
        good=changed(PI5, files={CERTIFICATE: certificate(900)}),
        bad=[Trouble(changed(PI5, files={CERTIFICATE: "not a certificate"}), says="the certificate is damaged"),
             Trouble(changed(PI5, files={CERTIFICATE: certificate(20)}), WARNING, "the certificate ends on"),
             Trouble(changed(PI5, files={CERTIFICATE: certificate(20)}, now=NOW + timedelta(days=60)),
                     says="has ended on")],
        unknown=PI5, none=[changed(PI5, files={AGENT_SETTINGS: None})]),
    "power-supply": Cases(
        good=PI5,
        bad=[Trouble(changed(PI5, programs={("vcgencmd", "get_throttled"): said("throttled=0x50005\n")}),
                     says="too low at this moment", next="power supply"),
             Trouble(changed(PI5, programs={("vcgencmd", "get_throttled"): said("throttled=0x50000\n")}), WARNING,
                     "too low at least once"),
             Trouble(changed(PI5, programs={("vcgencmd", "get_throttled"): said("throttled=0x8\n")}),
                     says="slowed down at this moment"),
             Trouble(changed(PI4, programs={("vcgencmd", "get_throttled"): None}, files={
                 "sys/devices/platform/soc/soc:firmware/get_throttled": "80000\n"}), WARNING, "slowed down at least "
                                                                                              "once")],
        unknown=changed(PI5, programs={("vcgencmd", "get_throttled"): said("VCHI initialization failed", 255)}),
        none=[DEBIAN]),
    "temperature": Cases(
        good=PI5,
        bad=[Trouble(changed(PI5, files={"sys/class/thermal/thermal_zone0/temp": "84000\n"}), says="84 °C"),
             Trouble(changed(PI5, files={"sys/class/thermal/thermal_zone0/temp": "76500\n"}), WARNING, "76 °C")],
        unknown=changed(PI5, files={"sys/class/thermal/thermal_zone0/temp": None}), none=[DEBIAN]),
    "clock": Cases(
        good=PI5,
        bad=[Trouble(changed(PI5, now=datetime(2023, 2, 21, tzinfo=UTC)), says="the clock says 2023-02-21"),
             Trouble(changed(PI5, programs={("timedatectl", "show"): said("NTP=yes\nNTPSynchronized=no\n")}), WARNING,
                     "not synchronized"),
             Trouble(changed(MASTER, programs={CHRONY: said("00000000,,0,0.0,0,0,0,0,0,0,0,0,Not synchronised\n")}),
                     WARNING, "chrony has no source yet")],
        unknown=changed(PI5, programs={("timedatectl", "show"): None})),
    "time-source": Cases(
        good=PI5,
        bad=[Trouble(changed(PI5, programs={TIMESYNC: said("185.125.190.56\n")}), WARNING, "from 185.125.190.56, not "
                                                                                           "from "
                     "the master", "timesyncd.conf")],
        unknown=changed(PI5, programs={TIMESYNC: None}), none=[MASTER, changed(PI5, files={AGENT_SETTINGS: None})]),
    "default-route": Cases(
        good=PI5,
        bad=[Trouble(changed(PI5, programs={DEFAULT_ROUTE: said([])}), says="no default route"),
             Trouble(changed(BARE_MASTER, programs={DEFAULT_ROUTE: said([{**ROUTE, "metric": 0}, HOME_ROUTE])}),
                     says="goes to 10.0.0.1, which is this machine itself", next="remove `gateway`"),
             Trouble(changed(PI5, programs={DEFAULT_ROUTE: said([ROUTE, HOME_ROUTE])}), WARNING,
                     "default routes through eth0, wlan0", "never-default")],
        unknown=changed(PI5, programs={DEFAULT_ROUTE: None}),
        none=[changed(MASTER, programs={DEFAULT_ROUTE: said([])})]),
    "overlapping-networks": Cases(
        good=BARE_MASTER,
        bad=[Trouble(changed(BARE_MASTER, programs={ADDRESSES: said([link("eth0", "10.0.0.1/24"),
                                                                     link("wlan0", "10.0.0.57/24")])}),
                     says="eth0 (10.0.0.0/24) and wlan0 (10.0.0.0/24) are the same network", next="10.77.0.1/24")],
        unknown=changed(PI5, programs={ADDRESSES: None}), none=[MASTER]),
    "name-servers": Cases(
        good=PI5,
        bad=[Trouble(changed(PI5, files={"etc/resolv.conf": "search cluster.home\n"}), says="no name server is set"),
             Trouble(changed(PI5, programs={here_network.NAMES_QUESTION: said("", 2)}), WARNING,
                     "10.0.0.1 do not know deb.debian.org", "ping 10.0.0.1")],
        unknown=changed(PI5, asked_internet=False)),
    "internet": Cases(
        good=PI5,
        bad=[Trouble(changed(PI5, page="<html>Welcome to Hotel Wi-Fi, please log in</html>"), says="captive portal"),
             Trouble(changed(PI5, page=None), WARNING, "does not answer")],
        none=[MASTER, changed(PI5, asked_internet=False)]),
    "foreign-firewall": Cases(
        good=PI5,
        bad=[Trouble(changed(BARE_MASTER, programs={here_network.RULES: said(RULES + DOCKER)}),
                     says="chain FORWARD of table ip filter drops", next="nft list table ip filter"),
             Trouble(changed(PI5, programs={here_network.RULES: said(UFW)}), WARNING, "have to be allowed"),
             Trouble(changed(PI5, programs={here_network.LEGACY_RULES: said("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD "
                                                                            "DROP "
                                                                            "[0:0]\nCOMMIT\n")}),
                     says="old iptables rules")],
        unknown=changed(PI5, programs={here_network.RULES: said("Operation not permitted", 1)}), none=[MASTER]),
    "leftovers": Cases(
        good=PI5,
        bad=[Trouble(changed(PI5, programs={
            here_network.RULES: said("table ip nat {\n\tchain KUBE-SERVICES {\n\t}\n}\n"),
            LINKS: links("lo", "eth0", "flannel.1", "cni0")}), WARNING,
            "chains KUBE-* and interfaces cni0, flannel.1", "k3s-uninstall.sh"),
             Trouble(changed(PI5, programs={here_network.LEGACY_RULES: said("*nat\n:DOCKER - [0:0]\nCOMMIT\n")}),
                     WARNING, "chains DOCKER*")],
        unknown=changed(PI5, programs={here_network.RULES: None})),
    "packet-size": Cases(
        good=MASTER,
        bad=[Trouble(changed(MASTER, programs={
            LINKS: links("eth0", "wlan0", wlan0=1420), here_network.RULES: said("table inet edge-rack {\n}\n")}),
            WARNING, "wlan0 takes packets of 1420 bytes, eth0 sends 1500", "edge-rack apply")],
        unknown=changed(MASTER, programs={LINKS: links("eth0")}),
        none=[PI5, changed(MASTER, programs={DEFAULT_ROUTE: said([])})]),
    "wifi-power-save": Cases(
        good=BARE_MASTER,
        bad=[Trouble(changed(BARE_MASTER, programs={POWER_SAVE: said("Power save: on\n")}), WARNING,
                     "wlan0 saves power", "set power_save off")],
        unknown=changed(BARE_MASTER, programs={POWER_SAVE: None}), none=[PI5, MASTER]),
    "programs": Cases(
        good=MASTER,
        bad=[Trouble(changed(MASTER, programs={here_programs.SHOW: units(edge_broker="failed")}),
                     says="edge-broker does not run (failed, exit-code)", next="journalctl -u edge-broker"),
             Trouble(changed(PI5, programs={here_programs.SHOW: said("Id=edge-agent.service\nLoadState=not-found\n")}),
                     says="edge-agent is not installed"),
             Trouble(changed(PI5, programs={here_programs.SHOW: said(
                 "Id=edge-agent.service\nLoadState=loaded\nActiveState=active\nNRestarts=12\n")}), WARNING, "12 "
                                                                                                            "times")],
        unknown=changed(MASTER, programs={here_programs.SHOW: said("System has not been booted with systemd", 1)}),
        none=[changed(PI5, files={AGENT_SETTINGS: None})]),
    "rivals": Cases(
        good=MASTER,
        bad=[Trouble(changed(MASTER, programs={here_programs.SHOW: units(isc_dhcp_server="active")}),
                     says="Debian's own isc-dhcp-server runs", next="disable --now isc-dhcp-server.service"),
             Trouble(changed(MASTER, programs={here_programs.SHOW: units(mosquitto="enabled")}), WARNING,
                     "starts with the machine"),
             Trouble(changed(PI5, programs={here_programs.SHOW: units(k3s_agent="active")}), WARNING,
                     "k3s-agent runs here too")],
        unknown=changed(MASTER, programs={here_programs.SHOW: None})),
    "ports": Cases(
        good=MASTER,
        bad=[Trouble(changed(MASTER, programs={
            here_programs.LISTENING: said(LISTENING.replace("edge-server", "k3s-server"))}),
                     says="k3s-server has tcp port 6443, which is for the API"),
             Trouble(changed(MASTER, programs={here_programs.LISTENING: said(
                 'udp UNCONN 0 0 *:53 *:* users:(("pihole-FTL",pid=1,fd=1))\n')}),
                 says="udp port 53, which is for names"),
             Trouble(changed(PI5, programs={here_programs.LISTENING: said(
                 'tcp LISTEN 0 9 [::]:10250 [::]:* users:(("kubelet",pid=1,fd=1))\n')}), says="kubelet has tcp port "
                                                                                              "10250")],
        unknown=changed(MASTER, programs={here_programs.LISTENING: None})),
    "ground": Cases(
        good=MASTER,
        bad=[Trouble(changed(MASTER, programs={("edge-rack", "check"): said({"problems": [
            {"reason": "PacketRulesMissing", "message": "the table inet edge-rack is not in the kernel: nothing is "
             "translated to the home network, and nothing is kept out", "remedy": "run edge-rack apply"}]}, 1)}),
            says="PacketRulesMissing: the table inet edge-rack", next="run edge-rack apply"),
             Trouble(changed(MASTER, programs={("edge-rack", "check"): said([
                 {"reason": "NoInternet", "message": "http://network-test.debian.org/nm does not answer",
                  "remedy": "see whether other machines reach it"}], 1)}), WARNING, "NoInternet"),
             Trouble(changed(MASTER, programs={("edge-rack", "check"): said(
                 "error: /etc/edge/rack.toml: uplink: extra fields not permitted\n", 1)}), says="edge-rack cannot "
                                                                                                "check")],
        unknown=BARE_MASTER, none=[PI5]),
    "wire": Cases(
        good=MASTER,
        bad=[Trouble(changed(MASTER, programs={("edge-rack", "probe"): said({
            "looked_at": "2026-11-21T11:59:00Z", "findings": [{"reason": "RogueDHCPServer", "message":
             "another DHCP server answers on eth0: 192.168.1.1 (aa:bb:cc:00:00:01) offers 192.168.1.57. That is the "
             "home "
             "network: the rack's switch is plugged into the home router. Pull that cable"}]})}),
            says="offers 192.168.1.57. That is the home network: the rack's switch is plugged into the home router",
            next="Pull that cable")],
        unknown=changed(MASTER, programs={("edge-rack", "probe"): said(
            '{"looked_at":"2026-11-21T11:59:00Z","problem":"eth0 has no link"}\nerror: eth0 has no link\n', 1)}),
        none=[PI5]),
}
"""By name of the check."""
