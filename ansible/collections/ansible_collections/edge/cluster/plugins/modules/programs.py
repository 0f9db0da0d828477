#!/usr/bin/python
# Copyright: the edge authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Installs a bundle: a wheel with its locked requirements into a virtual environment, and files of the machine.

What is installed is known by stamps, hashes that are written last: an installation that was cut off is made again, and
one that is complete costs the reading of some files.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: programs
short_description: Install the programs and files of a bundle, or remove them
options:
  path:
    description: The virtual environment.
    type: path
    default: /opt/edge
  bundle:
    description: The bundle on the machine, as M(edge.cluster.bundle) makes it.
    type: path
    required: true
  state:
    description:
      - Whether the programs are there.
      - C(absent) keeps settings and data, C(purged) does not.
    type: str
    choices: [present, absent, purged]
    default: present
  role:
    description: Whether the machine is the master, which needs more.
    type: str
    choices: [master, worker]
    default: worker
  archive:
    description: A tar file on the machine with the wheels of the requirements; without it they come from PyPI.
    type: path
  links:
    description: Programs that get a link in C(/usr/local/bin).
    type: list
    elements: str
    default: [edgectl, edge-server, edge-agent, edge-rack]
  units:
    description: Units that run the programs; those that are running are restarted with new ones.
    type: list
    elements: str
    default: []
  look:
    description: Only tell what is not installed.
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
- name: Install the programs
  edge.cluster.programs:
    bundle: /var/cache/edge/bundle.tar
    units: [edge-agent.service]
"""

RETURN = r"""
missing:
  description: What was not installed as it should be, of C(requirements), C(wheel), C(files) and C(links).
  returned: always
  type: list
  elements: str
files:
  description: The files that differed.
  returned: always
  type: list
  elements: str
"""

LINKS = Path("/usr/local/bin")
PYTHON = "/usr/bin/python3"
# As scripts/install places them: folder of the checkout's `systemd` -> directory of a machine.
PLACES = {
    "system": "/usr/local/lib/systemd/system", "journald.conf.d": "/usr/local/lib/systemd/journald.conf.d",
    "sysusers.d": "/usr/local/lib/sysusers.d", "tmpfiles.d": "/usr/local/lib/tmpfiles.d",
    "modules-load.d": "/usr/local/lib/modules-load.d", "networkd.conf.d": "/usr/local/lib/systemd/networkd.conf.d",
    "NetworkManager.conf.d": "/etc/NetworkManager/conf.d",
    "edge": "/usr/local/lib/edge", "containers.conf.d": "/etc/containers/containers.conf.d",
}
# Who has to read its files again.
READERS = (("modules-load.d", "systemd-modules-load"), ("journald.conf.d", "systemd-journald"),
           ("podman.service.d", "podman"), ("networkd.conf.d", "systemd-networkd"),
           ("NetworkManager", "NetworkManager"))
# Python before 3.11.4 knows no filters.
SAFELY = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


class Failure(Exception):
    """Something could not be done; the text says what and why."""


def read(path):
    """Return what is in a file; None when it is not there."""
    try:
        return Path(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def write(path, content, mode=0o644):
    """Replace a file as a whole."""
    path = Path(path)
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def run(what, *argv):
    """Run a program. Raises Failure."""
    result = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if result.returncode:
        lines = (result.stderr.strip() or result.stdout.strip()).splitlines()
        raise Failure("\n".join([f"{what}:", *lines[-12:]]))


def place(name):
    """Return where a file of the bundle belongs on a machine; empty for one that only belongs to a checkout."""
    top, _, rest = name.partition("/")
    folder, _, file = rest.partition("/")
    return f"{PLACES[folder]}/{file}" if top == "systemd" and folder in PLACES else ""


class Installation:
    """A bundle and what is on the machine of it."""

    def __init__(self, params):
        self.path, self.archive = Path(params["path"]), params["archive"]
        self.links, self.units = params["links"], params["units"]
        self.lock, self.wheel, self.files = b"", ("", b""), {}
        with tarfile.open(params["bundle"]) as bundle:
            for member in bundle:
                content = bundle.extractfile(member).read()
                if member.name == f"requirements/{params['role']}.lock":
                    self.lock = content
                elif member.name.startswith("wheel/"):
                    self.wheel = (member.name.partition("/")[2], content)
                elif target := place(member.name):
                    self.files[target] = (content, member.mode)

    def stamps(self):
        """Return what is written when a part is complete. Another Python needs other wheels."""
        version = ".".join(str(part) for part in sys.version_info[:2])
        listing = [f"{hashlib.sha256(content).hexdigest()} {name}\n"
                   for name, (content, _) in sorted(self.files.items())]
        return {"requirements": f"{hashlib.sha256(self.lock).hexdigest()} {version}\n".encode(),
                "wheel": f"{hashlib.sha256(self.wheel[1]).hexdigest()}\n".encode(), "files": "".join(listing).encode()}

    def missing(self):
        """Return which parts are not as they should be."""
        lacking = [name for name, stamp in self.stamps().items() if read(self.path / f".{name}") != stamp]
        if "requirements" in lacking and "wheel" not in lacking:
            lacking.append("wheel")
        if self.differing() and "files" not in lacking:
            lacking.append("files")
        if any(not self._is_linked(name) for name in self.links):
            lacking.append("links")
        return lacking

    def differing(self):
        """Return the files that are not as in the bundle."""
        return [name for name, (content, _) in self.files.items() if read(name) != content]

    def install(self, lacking):
        """Install these parts; each gets its stamp once it is complete and in force. Raises Failure."""
        for name in {"requirements", "wheel"} & set(lacking):
            # Half of something new is nothing old either.
            (self.path / f".{name}").unlink(missing_ok=True)
        for name, action in (("files", self._files), ("requirements", self._requirements), ("wheel", self._wheel)):
            if name in lacking:
                action()
                write(self.path / f".{name}", self.stamps()[name])
        for name in self.links:
            self._link(name)

    def _pip(self, what, *arguments):
        run(what, f"{self.path}/bin/python", "-m", "pip", "--disable-pip-version-check", "--no-input", "install",
            "--no-deps", *arguments)

    def _requirements(self):
        run(f"{self.path} could not be made", PYTHON, "-m", "venv", str(self.path))
        with tempfile.TemporaryDirectory(prefix="edge-wheels-", dir="/var/tmp") as directory:
            write(f"{directory}/requirements.txt", self.lock)
            offline = ()
            if self.archive:
                with tarfile.open(self.archive) as tar:
                    tar.extractall(f"{directory}/wheels", **SAFELY)  # noqa: S202 - the laptop's own archive
                offline = ("--no-index", "--find-links", f"{directory}/wheels")
            self._pip("pip could not install the requirements", *offline, "--require-hashes", "--only-binary", ":all:",
                      "--requirement", f"{directory}/requirements.txt")

    def _wheel(self):
        with tempfile.TemporaryDirectory(prefix="edge-wheel-", dir="/var/tmp") as directory:
            write(f"{directory}/{self.wheel[0]}", self.wheel[1])
            self._pip("pip could not install the programs", "--no-index", "--force-reinstall",
                      f"{directory}/{self.wheel[0]}")
        if self.units:
            run("the programs are installed, and systemctl could not restart them", "systemctl", "try-restart",
                *self.units)

    def _files(self):
        before = (read(self.path / ".files") or b"").decode().splitlines()
        for name in {line.partition(" ")[2] for line in before} - set(self.files):
            Path(name).unlink(missing_ok=True)
        differing = self.differing()
        for name in differing:
            write(name, *self.files[name])
        run("systemd-sysusers failed", "systemd-sysusers")
        run("systemd-tmpfiles failed", "systemd-tmpfiles", "--create", f"{PLACES['tmpfiles.d']}/edge.conf")
        run("systemctl daemon-reload failed", "systemctl", "daemon-reload")
        for folder, unit in READERS:
            if any(f"/{folder}/" in name for name in differing):
                # A kernel may lack a module that nothing here needs; what needs it says so.
                with contextlib.suppress(Failure):
                    run(unit, "systemctl", "try-restart", unit)

    def _is_linked(self, name):
        link = LINKS / name
        return link.is_symlink() and str(link.readlink()) == f"{self.path}/bin/{name}"

    def _link(self, name):
        link = LINKS / name
        if self._is_linked(name):
            return
        if link.exists() and not link.is_symlink():
            raise Failure(f"{link} is a file of somebody else; move it away")
        new = link.with_name(f"{name}.new")
        new.unlink(missing_ok=True)
        new.symlink_to(f"{self.path}/bin/{name}")
        new.replace(link)


def remove(params):
    """Have the checkout's own script remove everything. Raises Failure."""
    with tempfile.TemporaryDirectory(prefix="edge-bundle-", dir="/var/tmp") as directory:
        with tarfile.open(params["bundle"]) as bundle:
            bundle.extractall(directory, **SAFELY)  # noqa: S202 - the laptop's own archive
        purge = ["--purge"] if params["state"] == "purged" else []
        run("scripts/install remove failed", "sh", f"{directory}/scripts/install", "remove", *purge,
            "--prefix", params["path"])


def carry_out(module):
    """Do what is asked and return what was missing and which files differed. Raises Failure."""
    params, acts = module.params, not (module.check_mode or module.params["look"])
    if params["state"] != "present":
        traces = [params["path"]] + (["/etc/edge", "/var/lib/edge"] if params["state"] == "purged" else [])
        there = [path for path in traces if Path(path).exists()]
        if there and acts:
            remove(params)
        return there, []
    if not Path(params["bundle"]).exists() and module.check_mode:
        # A fresh machine of which Ansible only asks what would be done: the bundle has not been brought.
        return ["requirements", "wheel", "files", "links"], []
    wanted = Installation(params)
    lacking, files = wanted.missing(), wanted.differing()
    if lacking and acts:
        wanted.install(lacking)
    return lacking, files


def main():
    names = {"type": "list", "elements": "str"}
    module = AnsibleModule(
        argument_spec={"path": {"type": "path", "default": "/opt/edge"}, "bundle": {"type": "path", "required": True},
                       "state": {"choices": ["present", "absent", "purged"], "default": "present"},
                       "role": {"choices": ["master", "worker"], "default": "worker"},
                       "archive": {"type": "path"}, "units": {**names, "default": []},
                       "links": {**names, "default": ["edgectl", "edge-server", "edge-agent", "edge-rack"]},
                       "look": {"type": "bool", "default": False}},
        supports_check_mode=True)
    try:
        lacking, files = carry_out(module)
    except (Failure, OSError, tarfile.TarError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(lacking) and not module.params["look"], missing=lacking, files=files)


if __name__ == "__main__":
    main()
