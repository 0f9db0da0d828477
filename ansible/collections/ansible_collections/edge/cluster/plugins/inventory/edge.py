# Copyright: the edge authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The inventory of a rack, asked of its API by `edgectl inventory`."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

DOCUMENTATION = r"""
name: edge
short_description: The nodes of a rack, and machines that have an address and have not joined
description:
  - Asks the rack's API by C(edgectl inventory). Groups are C(edge_master), C(edge_workers) and C(edge_not_joined).
  - Each node has C(ansible_host), C(edge_serial), C(edge_model), C(edge_ready), C(edge_cordoned), C(edge_roles),
    C(edge_mac), C(edge_version) and C(edge_architecture), as far as they are known.
  - The file has the name C(edge.yml) or ends in C(.edge.yml).
extends_documentation_fragment:
  - constructed
  - inventory_cache
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [edge.cluster.edge]
  kubeconfig:
    description: The kubeconfig; by default the one kubectl would read.
    type: path
    env:
      - name: KUBECONFIG
  context:
    description: Its context; by default the current one.
    type: str
  edgectl:
    description: The program.
    type: path
    default: edgectl
    env:
      - name: EDGECTL
  timeout_seconds:
    description: How long the rack may take to answer.
    type: int
    default: 30
author:
  - The edge authors
"""

EXAMPLES = r"""
# edge.yml; try it with: ansible-inventory -i edge.yml --graph
plugin: edge.cluster.edge
context: edge
compose:
  ansible_user: "'pi'"
keyed_groups:
  - key: edge_model
    prefix: model
groups:
  not_ready: not edge_ready
"""


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Hosts and groups of one rack."""

    NAME = "edge.cluster.edge"

    def verify_file(self, path):
        """Return whether the file is one of ours, by its name."""
        names = ("edge.yml", "edge.yaml")
        base = Path(path).name
        return super().verify_file(path) and (base in names or base.endswith(tuple(f".{name}" for name in names)))

    def parse(self, inventory, loader, path, cache=True):
        """Fill the inventory, from the cache where there is a fresh one."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        key = self.get_cache_key(path)
        found = None
        if cache and self.get_option("cache"):
            try:
                found = self._cache[key]
            except KeyError:
                found = None
        if found is None:
            found = self._ask()
            if self.get_option("cache"):
                self._cache[key] = found
        self._fill(found)

    def _ask(self):
        program = shutil.which(Path(self.get_option("edgectl")).expanduser())
        if not program:
            raise AnsibleParserError(f"{self.get_option('edgectl')} is not installed; give its path as `edgectl`")
        choice = [part for name in ("kubeconfig", "context") if self.get_option(name)
                  for part in (f"--{name}", self.get_option(name))]
        try:
            result = subprocess.run([program, *choice, "inventory", "--list"], capture_output=True, text=True,
                                    check=False, stdin=subprocess.DEVNULL, timeout=self.get_option("timeout_seconds"))
            if result.returncode:
                raise AnsibleParserError(f"edgectl inventory: {result.stderr.strip()}")
            return json.loads(result.stdout)
        except subprocess.TimeoutExpired as error:
            raise AnsibleParserError(f"the rack has not answered within {error.timeout} s; is it on?") from error
        except (OSError, ValueError) as error:
            raise AnsibleParserError(f"edgectl inventory: {error}") from error

    def _fill(self, found):
        strict = self.get_option("strict")
        variables = found.get("_meta", {}).get("hostvars", {})
        for group, content in found.items():
            if group in ("_meta", "all"):
                continue
            self.inventory.add_group(group)
            for host in content.get("hosts", []):
                self.inventory.add_host(host, group=group)
        for host, values in variables.items():
            self.inventory.add_host(host)
            for name, value in values.items():
                self.inventory.set_variable(host, name, value)
            self._set_composite_vars(self.get_option("compose"), values, host, strict=strict)
            self._add_host_to_composed_groups(self.get_option("groups"), values, host, strict=strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), values, host, strict=strict)
