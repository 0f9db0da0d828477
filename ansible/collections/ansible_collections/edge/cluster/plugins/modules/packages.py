#!/usr/bin/python
# Copyright: the edge authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Installs what is missing of a list of Debian packages.

ansible.builtin.apt needs python3-apt on the machine and looks into every package source, which takes minutes where
there is no internet. This module asks dpkg, and needs apt only when something is missing.
"""

from __future__ import annotations

import os
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: packages
short_description: Install Debian packages, from the internet or from an archive of them
description:
  - Installs those of the packages that are missing, and what they need. Nothing is upgraded.
options:
  name:
    description: The packages.
    type: list
    elements: str
    required: true
  archive:
    description:
      - A tar file on the machine with packages and their index, as C(scripts/cache) makes it.
      - With it no other source is looked at. Without it the machine's own sources are used.
    type: path
  look:
    description: Only tell what is missing.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Tells what would be installed.
author:
  - The edge authors
"""

EXAMPLES = r"""
- name: Install the container engine
  edge.cluster.packages:
    name: [podman, crun]
    archive: /var/cache/edge/debs.tar
"""

RETURN = r"""
missing:
  description: The packages that were not installed before.
  returned: always
  type: list
  elements: str
"""

APT = ("apt-get", "--quiet", "--assume-yes", "--option", "DPkg::Lock::Timeout=300")
INSTALL = ("install", "--no-install-recommends", "--option", "Dpkg::Options::=--force-confdef",
           "--option", "Dpkg::Options::=--force-confold")

# Python before 3.11.4 knows no filters.
SAFELY = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}

def installed(listing):
    """Return the packages that `dpkg-query` lists as installed; one a line, its state after a space."""
    pairs = [line.split(" ", 1) for line in listing.splitlines() if " " in line]
    return {name for name, state in pairs if state.strip() == "installed"}


def local_only(directory):
    """Return the options that make apt see one directory and nothing of the machine's own sources."""
    values = {"Dir::Etc::sourcelist": f"{directory}/sources.list", "Dir::Etc::sourceparts": "/dev/null",
              "Dir::State::lists": f"{directory}/lists", "Dir::Cache::pkgcache": "", "Dir::Cache::srcpkgcache": ""}
    return [part for key, value in values.items() for part in ("--option", f"{key}={value}")]


def reason(output):
    """Return the lines of apt that say what is wrong, or its last ones."""
    lines = [line for line in output.splitlines() if re.match(r"(E:|W: Failed|dpkg: error| .* : Depends:)", line)]
    return "\n".join(lines or output.splitlines()[-10:])


def missing(names):
    """Return those of the packages that are not installed, in their order."""
    query = subprocess.run(["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *names],
                           capture_output=True, text=True, check=False)
    have = installed(query.stdout)
    return [name for name in names if name not in have]


def run(*argv):
    """Run apt without questions and return its exit code and what it said."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    result = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment,
                            stdin=subprocess.DEVNULL)
    return result.returncode, result.stdout + result.stderr


def install(names, archive):
    """Install the packages and return what went wrong, empty when nothing did."""
    with tempfile.TemporaryDirectory(prefix="edge-debs-", dir="/var/tmp") as directory:
        options = []
        if archive:
            top = Path(directory)
            (top / "lists/partial").mkdir(parents=True)
            with tarfile.open(archive) as tar:
                tar.extractall(top / "debs", **SAFELY)  # noqa: S202 - the laptop's own archive
            # Trusted: it came over SSH, and its index has the hash of each package.
            (top / "sources.list").write_text(f"deb [trusted=yes] file:{directory}/debs ./\n")
            # apt lets go of its rights to read sources, so they have to be readable.
            for path in (top, top / "debs", top / "lists", top / "lists/partial"):
                path.chmod(0o755)
            options = local_only(directory)
        code, output = run(*APT, *options, "update")
        if code:
            return f"apt-get update failed; is this machine on the internet?\n{reason(output)}"
        code, output = run(*APT, *options, *INSTALL, *names)
        return f"apt-get could not install {' '.join(names)}:\n{reason(output)}" if code else ""


def main():
    module = AnsibleModule(
        argument_spec={"name": {"type": "list", "elements": "str", "required": True}, "archive": {"type": "path"},
                       "look": {"type": "bool", "default": False}},
        supports_check_mode=True)
    lacking = missing(module.params["name"])
    if not lacking or module.params["look"] or module.check_mode:
        module.exit_json(changed=bool(lacking) and not module.params["look"], missing=lacking)
    if problem := install(lacking, module.params["archive"]):
        module.fail_json(msg=problem, missing=lacking)
    if still := missing(lacking):
        module.fail_json(msg=f"apt-get said nothing, but these are not installed: {' '.join(still)}", missing=still)
    module.exit_json(changed=True, missing=lacking)


if __name__ == "__main__":
    main()
