#!/usr/bin/python
# Copyright: the edge authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Packs all that a machine gets of a checkout into one file: the wheel, its lock, and files for systemd and others.

One file for each machine instead of thirty, and the same checkout makes the same bytes, so that a machine that has it
is seen at once.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: bundle
short_description: Pack a checkout of edge for machines; runs on the computer with the checkout
options:
  source:
    description: The checkout.
    type: path
    required: true
  wheel:
    description: A wheel of edge; made of the checkout, with hatchling, when it is not given.
    type: path
  path:
    description: The file to write.
    type: path
    required: true
attributes:
  check_mode:
    support: none
    description: The file is written in check mode too, since nothing of a machine is changed.
author:
  - The edge authors
"""

EXAMPLES = r"""
- name: Pack this checkout
  edge.cluster.bundle:
    source: "{{ playbook_dir }}/.."
    path: /tmp/bundle.tar
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
path:
  description: The file.
  returned: always
  type: str
version:
  description: The version of edge in it.
  returned: always
  type: str
"""

FOLDERS = ("scripts/install", "systemd", "requirements/master.lock", "requirements/worker.lock")
"""What a machine needs of a checkout beside the wheel."""


def members(source, wheel):
    """Return what is packed: the name in the bundle -> the file."""
    found = {f"wheel/{wheel.name}": wheel}
    for name in FOLDERS:
        top = source / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file():
                found[str(path.relative_to(source))] = path
    return found


def pack(path, found):
    """Write the tar file as a whole; the same files make the same bytes."""
    new = path.with_name(path.name + ".new")
    with tarfile.open(new, "w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(found):
            content = found[name].read_bytes()
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.mode = 0o755 if found[name].stat().st_mode & 0o100 else 0o644
            tar.addfile(info, io.BytesIO(content))
    new.replace(path)


def build(source, directory):
    """Make the wheel of a checkout from a copy of it, and return its path.

    Raises:
        ValueError: it cannot be made.
    """
    # Of a copy: hatchling asks git what to leave out, and a checkout may be none, or somebody else's.
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(source / name, directory)
    for name in ("edge", "systemd"):
        shutil.copytree(source / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    result = subprocess.run([sys.executable, "-m", "hatchling", "build", "--target", "wheel"], cwd=directory,
                            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if result.returncode:
        hint = "; `pip install hatchling` into the environment Ansible runs in" if "No module" in result.stderr else ""
        raise ValueError(f"the wheel of {source} could not be made{hint}:\n{result.stdout}{result.stderr}")
    return next((directory / "dist").glob("*.whl"))


def main():
    module = AnsibleModule(argument_spec={"source": {"type": "path", "required": True}, "wheel": {"type": "path"},
                                          "path": {"type": "path", "required": True}}, supports_check_mode=True)
    source, path = Path(module.params["source"]).resolve(), Path(module.params["path"])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="edge-wheel-") as directory:
            wheel = Path(module.params["wheel"]) if module.params["wheel"] else build(source, Path(directory))
            pack(path, members(source, wheel))
    except (OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, path=str(path), version=wheel.name.split("-")[1])


if __name__ == "__main__":
    main()
