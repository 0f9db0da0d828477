"""Checks of a board's kernel and container engine: what nothing here can run without."""

from __future__ import annotations

from edge.edgectl.doctor.here import Facts, numbers
from edge.edgectl.doctor.results import Outcome, ok, problem, unknown, warning

MACHINES = {"aarch64": "arm64", "x86_64": "amd64"}
CMDLINES = ("boot/firmware/cmdline.txt", "boot/cmdline.txt")
"""Where Raspberry Pi OS has had the kernel's command line: since Debian 12, and before."""
MEMORY_WORDS = ("cgroup_memory=1", "cgroup_enable=memory")
CONTROLLERS = ("cpu", "memory", "pids")
UNIFIED = ("sys/fs/cgroup/cgroup.controllers", "sys/fs/cgroup/unified/cgroup.controllers")
MODULES = ("overlay", "bridge", "veth", "nf_tables", "nft_chain_nat", "nft_masq")
FURTHER_MODULES = ("vxlan", "br_netfilter")
OLDEST_PODMAN = (4, 3)


def word_size(facts: Facts) -> Outcome:
    """Kernel and programs are 64-bit."""
    machine, programs = facts.output("uname", "-m"), facts.output("dpkg", "--print-architecture")
    if machine is None:
        return unknown("`uname -m` says nothing")
    machine, programs = machine.strip(), (programs or "").strip()
    if machine not in MACHINES:
        return problem(f"the kernel is not 64-bit ({machine}): images for arm64 do not start",
                       "flash the 64-bit Raspberry Pi OS; on a Pi 3 or newer `arm_64bit=1` in config.txt gives at "
                       "least the kernel")
    if programs and programs != MACHINES[machine]:
        return problem(f"the kernel is 64-bit, but the programs are {programs}: Podman then looks for 32-bit images, "
                       "which most registries no longer have", "flash the 64-bit Raspberry Pi OS: programs cannot be "
                       "changed in place")
    return ok(f"64-bit kernel and programs ({machine})")


def memory_cgroup(facts: Facts) -> Outcome:
    """The kernel's memory cgroup, which Raspberry Pi OS switches off."""
    has = _controllers(facts)
    if has is None:
        return unknown("neither /proc/cgroups nor /sys/fs/cgroup can be read")
    if "memory" in has:
        return ok("the memory cgroup is on")
    says = "the memory cgroup is off: limits do not hold, and one container can take all memory of the board"
    path = next((each for each in CMDLINES if "root=" in (facts.text(each) or "")), "")
    if not path:
        return problem(says, f"add `{' '.join(MEMORY_WORDS)}` to the kernel's command line and reboot")
    first, _, rest = (facts.text(path) or "").partition("\n")
    missing = [word for word in MEMORY_WORDS if word not in first.split()]
    if missing and any(word in rest.split() for word in missing):
        return problem(f"{says}. The words stand on a line of their own in /{path}, and the kernel reads the first one "
                       "only", f"move `{' '.join(missing)}` to the end of the first line of /{path} and reboot")
    if missing:
        return problem(says, f"add `{' '.join(missing)}` at the end of the one line of /{path} and reboot")
    return problem(f"{says}. /{path} has the words, but the kernel was not started with them", "sudo reboot")


def cgroups(facts: Facts) -> Outcome:
    """Version of the control groups, and their controllers."""
    has = _controllers(facts)
    if has is None:
        return unknown("neither /proc/cgroups nor /sys/fs/cgroup can be read")
    missing = [name for name in CONTROLLERS if name not in has and name != "memory"]
    if missing:
        return problem(f"the kernel lacks the controllers {', '.join(missing)}: pods cannot be limited",
                       "boot a kernel of Debian or Raspberry Pi OS; `cgroup_disable=` in its command line switches "
                       "them off")
    if facts.text(UNIFIED[0]):
        return ok("control groups v2")
    return warning("control groups v1: it works, but newer versions of Podman no longer know them",
                   "take `systemd.unified_cgroup_hierarchy=0` out of the kernel's command line and reboot")


def _controllers(facts: Facts) -> set[str] | None:
    unified = next((text for path in UNIFIED if (text := facts.text(path))), "")
    listed = facts.text("proc/cgroups")
    if not unified and listed is None:
        return None
    rows = [line.split() for line in (listed or "").splitlines() if not line.startswith("#")]
    enabled = {row[0] for row in rows if len(row) >= 4 and row[3] == "1"}
    # On v2 the controllers count that its root has: /proc/cgroups of newer kernels lists those of v1 alone.
    return set(unified.split()) if facts.text(UNIFIED[0]) else enabled | set(unified.split())


def kernel_modules(facts: Facts) -> Outcome:
    """Modules of the running kernel that containers and packet rules need."""
    release = (facts.output("uname", "-r") or "").strip()
    installed = facts.folders.get("lib/modules", ())
    missing = [name for name in MODULES if not _has_module(facts, name)]
    if missing and installed and release not in installed:
        return problem(f"the modules of the running kernel {release} are gone (there are {', '.join(installed[:3])}): "
                       f"it was replaced and the board not started since; {', '.join(missing)} cannot be loaded",
                       "sudo reboot")
    if missing and not installed:
        return unknown(f"no modules are installed here, and {', '.join(missing)} not loaded: a container or a kernel "
                       "that has them built in")
    if missing:
        return problem(f"the kernel has no module {', '.join(missing)}: containers or packet rules will fail",
                       "boot a kernel of Debian or Raspberry Pi OS")
    lacking = [name for name in FURTHER_MODULES if not _has_module(facts, name)]
    return ok("all kernel modules are there" + (f" (not {', '.join(lacking)}, which only some racks need)"
                                                if lacking else ""))


def _has_module(facts: Facts, name: str) -> bool:
    if name == "overlay" and name in (facts.text("proc/filesystems") or "").split():
        return True
    found = facts.said.get(("modprobe", "--dry-run", "--quiet", name))
    return name in facts.folders.get("sys/module", ()) or (found is not None and found.code == 0)


def container_engine(facts: Facts) -> Outcome:
    """Versions of Podman, crun and nft."""
    said = {name: facts.output(name, "--version") for name in ("podman", "crun", "nft")}
    missing = [name for name, text in said.items() if text is None]
    if missing:
        packages = " ".join({"nft": "nftables"}.get(name, name) for name in missing)
        return problem(f"{', '.join(missing)} cannot be run: this board cannot run pods", "sudo apt-get install "
                       f"--no-install-recommends {packages} conmon catatonit")
    versions = {name: ".".join(map(str, numbers(text or ""))) for name, text in said.items()}
    if numbers(said["podman"] or "") < OLDEST_PODMAN:
        return problem(f"Podman {versions['podman']} is too old: 4.3 is the oldest that works",
                       "upgrade to Debian 12 or the Raspberry Pi OS made of it")
    return ok(", ".join(f"{name} {version}" for name, version in versions.items()))


CHECKS = (word_size, memory_cgroup, cgroups, kernel_modules, container_engine)
