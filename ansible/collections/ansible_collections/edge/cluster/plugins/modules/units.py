#!/usr/bin/python
# Copyright: the edge authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Enables and starts, or disables and stops, several units of systemd at once.

ansible.builtin.systemd takes one unit a call, which over SSH costs a second each on a Raspberry Pi.
"""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: units
short_description: Enable and start, or disable and stop, units of systemd
options:
  name:
    description: The units, with their suffix.
    type: list
    elements: str
    required: true
  state:
    description: Whether they are to run, now and after a boot. C(absent) units need not exist.
    type: str
    choices: [started, absent]
    default: started
attributes:
  check_mode:
    support: full
    description: Tells which would be changed.
author:
  - The edge authors
"""

EXAMPLES = r"""
- name: Start the broker of the rack
  edge.cluster.units:
    name: [edge-broker.service, edge-broker.path]
"""

RETURN = r"""
units:
  description: The units that were not as they should be.
  returned: always
  type: list
  elements: str
"""

ENABLED = ("enabled", "enabled-runtime", "static", "indirect", "generated", "alias")
RUNNING = ("active", "activating", "reloading")
OFF = ("disabled", "masked", "static", "indirect", "not-found", "")
STOPPED = ("inactive", "failed", "unknown", "")
ASKED = ("UnitFileState", "ActiveState", "Type", "RemainAfterExit")


def show(module, names):
    """Return what systemd says of the units: name -> property -> value."""
    _, output, _ = module.run_command(["systemctl", "show", f"--property={','.join(ASKED)}", "--", *names])
    blocks = output.strip().split("\n\n")
    facts = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in blocks]
    return {name: facts[number] if number < len(facts) else {} for number, name in enumerate(names)}


def is_right(facts, started):
    """Return whether a unit is as it should be."""
    file_state, state = facts.get("UnitFileState", ""), facts.get("ActiveState", "")
    if not started:
        return file_state in OFF and state in STOPPED
    # A oneshot that does not remain runs when something starts it, and is over at once.
    passing = facts.get("Type") == "oneshot" and facts.get("RemainAfterExit") == "no"
    return file_state in ENABLED and (state in RUNNING or passing)


def differing(states, started):
    """Return the units that are not as they should be."""
    return [name for name, facts in states.items() if not is_right(facts, started)]


def main():
    module = AnsibleModule(argument_spec={"name": {"type": "list", "elements": "str", "required": True},
                                          "state": {"choices": ["started", "absent"], "default": "started"}},
                           supports_check_mode=True)
    names, started = module.params["name"], module.params["state"] == "started"
    wrong = differing(show(module, names), started)
    if wrong and not module.check_mode:
        module.run_command(["systemctl", "enable" if started else "disable", "--now", "--", *wrong], check_rc=True)
        if not started:
            # What failed before it was stopped, or while it was, is not shown as failed for ever.
            module.run_command(["systemctl", "reset-failed", "--", *wrong])
        if still := differing(show(module, wrong), started):
            states = ", ".join(f"{name} is {facts.get('ActiveState')}" for name, facts in show(module, still).items())
            module.fail_json(msg=f"{states}; `journalctl -u {still[0]}` on this machine tells why", units=still)
    module.exit_json(changed=bool(wrong), units=wrong)


if __name__ == "__main__":
    main()
