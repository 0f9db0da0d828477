#!/usr/bin/python
# Copyright: the edge authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Adds and removes arguments of the kernel, wherever the machine's boot loader keeps them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.edge.cluster.plugins.module_utils import boot_files

DOCUMENTATION = r"""
module: kernel_arguments
short_description: Add and remove arguments of the kernel, whatever the boot loader
description:
  - Knows C(cmdline.txt) of the Raspberry Pi's firmware in C(/boot/firmware) and in C(/boot), Debian's
    C(raspi-extra-cmdline), GRUB, C(extlinux.conf) and the settings of u-boot-menu, C(boot.txt) and Armbian.
  - A file is replaced as a whole, and what it was first is kept beside it with C(.before-edge) at its end.
options:
  add:
    description: Arguments that must be there, each once.
    type: list
    elements: str
    default: []
  remove:
    description: Arguments that must not be there. C(key=value) is also taken out of C(key=other,value).
    type: list
    elements: str
    default: []
  controller:
    description:
      - A control group controller the arguments are for. A kernel that has it without any of the arguments needs
        none, and nothing is done.
    type: str
  root:
    description: Where the machine's file system is; for images.
    type: path
    default: /
attributes:
  check_mode:
    support: full
    description: Tells what would be changed.
author:
  - The edge authors
"""

EXAMPLES = r"""
- name: Let the kernel account for memory
  edge.cluster.kernel_arguments:
    add: [cgroup_enable=memory, cgroup_memory=1]
    remove: [cgroup_disable=memory, cgroup_memory=0]
    controller: memory
"""

RETURN = r"""
files:
  description: The files that carry the arguments.
  returned: always
  type: list
  elements: str
reboot_required:
  description: Whether the kernel that runs was started without them.
  returned: always
  type: bool
"""

MARK = "var/lib/edge/kernel-arguments.boot"
"""The boot in which a file was changed: one that lacks the arguments needs a reboot, a later one has ignored them."""
BOOT = (
    # path, what tells that it counts, editor, command that puts it into force
    ("boot/firmware/cmdline.txt", "", boot_files.command_line, ()),
    ("boot/cmdline.txt", "", boot_files.command_line, ()),
    ("etc/default/raspi-extra-cmdline", "etc/default/raspi-firmware", boot_files.extra_line, ()),
    ("etc/default/u-boot", "usr/sbin/u-boot-update", boot_files.assignment("U_BOOT_PARAMETERS"), ("u-boot-update",)),
    ("boot/extlinux/extlinux.conf", "", boot_files.extlinux, ()),
    ("boot/armbianEnv.txt", "", boot_files.environment, ()),
    ("boot/boot.txt", "", boot_files.u_boot, ("mkimage", "-T", "script", "-C", "none", "-d", "/boot/boot.txt",
                                              "/boot/boot.scr")),
    ("etc/default/grub", "", boot_files.assignment("GRUB_CMDLINE_LINUX"), ("update-grub",)),
)


def read(path):
    """Return a file's text with its line ends as they are; None when it is not there."""
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return None


def write(path, text):
    """Replace a file as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        file.write(text.encode("utf-8", "surrogateescape"))
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        shutil.copymode(path, new)
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def edit(path, text):
    """Replace a file as a whole; what was there first is kept beside it."""
    kept = path.with_name(path.name + ".before-edge")
    if path.exists() and not kept.exists():
        write(kept, read(path))
    write(path, text)


def plan(root, add, remove):
    """Return what carries the arguments: path, text, wanted text and the command that puts it into force."""
    found = []
    for name, sign, editor, command in BOOT:
        # A link to the file stays one, and the file is edited once.
        path = (root / name).resolve()
        text = read(path)
        if any(path == entry[0] for entry in found):
            continue
        if (sign and not (root / sign).exists()) or (text is None and not sign):
            continue
        if text is not None and editor is boot_files.command_line and boot_files.is_stub(text):
            continue
        found.append((path, text or "", editor(text or "", add, remove), command))
    return found


def has_controller(listing, name):
    """Return whether /proc/cgroups lists a controller as enabled."""
    rows = [line.split() for line in listing.splitlines() if not line.startswith("#")]
    return any(row[0] == name and row[-1] == "1" for row in rows if row)


def is_needless(root, params):
    """Return whether the kernel has the controller and nobody had to tell it."""
    words = (read(root / "proc/cmdline") or "").split()
    if not params["controller"] or set(words) & {*params["add"], *params["remove"]}:
        return False
    return has_controller(read(root / "proc/cgroups") or "", params["controller"])


def must_reboot(module, root, changed):
    """Return whether the kernel has to be started again. Fails when it was, and still lacks the arguments."""
    words = (read(root / "proc/cmdline") or "").split()
    if all(word in words for word in module.params["add"]):
        return False
    boot = read(root / "proc/sys/kernel/random/boot_id") or ""
    marked = read(root / MARK)
    if not changed and marked not in (None, boot):
        module.fail_json(msg="the arguments are in the boot loader's files, and the kernel was started without them: "
                             f"{' '.join(words)}. Does this machine boot from another card or disk?")
    if marked != boot and not module.check_mode:
        write(root / MARK, boot)
    return True


def main():
    module = AnsibleModule(
        argument_spec={"add": {"type": "list", "elements": "str", "default": []},
                       "remove": {"type": "list", "elements": "str", "default": []},
                       "controller": {"type": "str"}, "root": {"type": "path", "default": "/"}},
        supports_check_mode=True)
    params, root = module.params, Path(module.params["root"])
    if is_needless(root, params):
        module.exit_json(changed=False, files=[], reboot_required=False)
    found = plan(root, params["add"], params["remove"])
    if not found:
        module.fail_json(msg="this machine's boot loader is not known. Add this to the kernel's command line by hand: "
                             + " ".join(params["add"]))
    differing = [entry for entry in found if entry[1] != entry[2]]
    if not module.check_mode:
        for path, _, text, _ in differing:
            edit(path, text)
        for command in dict.fromkeys(command for *_, command in differing if command):
            module.run_command(list(command), check_rc=True)
    reboot = must_reboot(module, root, bool(differing))
    module.exit_json(changed=bool(differing), files=[str(entry[0]) for entry in found], reboot_required=reboot,
                     diff=[{"before_header": str(path), "after_header": str(path), "before": before, "after": after}
                           for path, before, after, _ in differing])


if __name__ == "__main__":
    main()
