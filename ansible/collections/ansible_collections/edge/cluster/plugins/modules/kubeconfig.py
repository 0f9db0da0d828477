#!/usr/bin/python
# Copyright: the edge authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Merges access to a rack into a kubeconfig; everything else in it stays."""

from __future__ import annotations

import os
from pathlib import Path

import yaml
from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: kubeconfig
short_description: Merge access to a rack into a kubeconfig, or take it out
options:
  path:
    description: The kubeconfig.
    type: path
    required: true
  context:
    description: The context; cluster and user are named by it.
    type: str
    required: true
  state:
    description: Whether the context is there.
    type: str
    choices: [present, absent]
    default: present
  server:
    description: URL of the API.
    type: str
  ca:
    description: Certificate of the authority, as base64.
    type: str
  certificate:
    description: The client's certificate, as base64.
    type: str
  key:
    description: The client's key, as base64.
    type: str
attributes:
  check_mode:
    support: full
    description: Tells whether the file would be changed.
author:
  - The edge authors
"""

EXAMPLES = r"""
- name: Merge the rack into the person's kubeconfig
  edge.cluster.kubeconfig:
    path: ~/.kube/config
    context: edge
    server: https://192.168.1.50:6443
    ca: "{{ ca }}"
    certificate: "{{ certificate }}"
    key: "{{ key }}"
  no_log: true
  delegate_to: localhost
"""

RETURN = r"""
path:
  description: The file.
  returned: always
  type: str
"""


def entries(params):
    """Return what belongs to the rack: section -> entry; the entry is None when it is to be absent."""
    context, user = params["context"], f"{params['context']}-admin"
    if params["state"] == "absent":
        return {"clusters": (context, None), "users": (user, None), "contexts": (context, None)}
    cluster = {"server": params["server"], "certificate-authority-data": params["ca"]}
    login = {"client-certificate-data": params["certificate"], "client-key-data": params["key"]}
    return {"clusters": (context, {"name": context, "cluster": cluster}),
            "users": (user, {"name": user, "user": login}),
            "contexts": (context, {"name": context, "context": {"cluster": context, "user": user}})}


def merged(document, params):
    """Return the kubeconfig with the rack in it, or without; the rack becomes the current context.

    Raises:
        ValueError: it is no kubeconfig.
    """
    if not isinstance(document, dict):
        raise ValueError("it is no kubeconfig")
    result = {"apiVersion": "v1", "kind": "Config", **document}
    for section, (name, entry) in entries(params).items():
        old = result.get(section) or []
        if not isinstance(old, list) or not all(isinstance(each, dict) for each in old):
            raise ValueError(f"{section} is no list of mappings")
        places = [number for number, each in enumerate(old) if each.get("name") == name]
        rest = [each for each in old if each.get("name") != name]
        if entry is not None:
            rest.insert(places[0] if places else len(rest), entry)
        result[section] = rest
    if params["state"] == "present":
        result["current-context"] = params["context"]
    elif result.get("current-context") == params["context"]:
        result["current-context"] = ""
    return result


def write(path, document):
    """Replace the file as a whole; nobody else can read it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A link to a file elsewhere stays one.
    path = path.resolve()
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        yaml.safe_dump(document, file, sort_keys=False)
    new.replace(path)


def main():
    module = AnsibleModule(
        argument_spec={"path": {"type": "path", "required": True}, "context": {"type": "str", "required": True},
                       "state": {"choices": ["present", "absent"], "default": "present"}, "server": {"type": "str"},
                       "ca": {"type": "str"}, "certificate": {"type": "str"}, "key": {"type": "str", "no_log": True}},
        required_if=[("state", "present", ("server", "ca", "certificate", "key"))], supports_check_mode=True)
    path = Path(module.params["path"]).absolute()
    try:
        before = (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}
        after = merged(before, module.params)
        changed = after != before and (bool(before) or module.params["state"] == "present")
        if changed and not module.check_mode:
            write(path, after)
    except (OSError, ValueError, yaml.YAMLError) as error:
        module.fail_json(msg=f"{path}: {error}. It is left alone; name another file with edge_kubeconfig")
    module.exit_json(changed=changed, path=str(path))


if __name__ == "__main__":
    main()
