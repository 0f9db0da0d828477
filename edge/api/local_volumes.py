"""Volumes that are directories of a node's own disk: how they are named, and what a PersistentVolume says of them.

The server makes and ends them, the node keeps the directories; this is what both must agree on.
"""

from __future__ import annotations

import re

from edge.api import core

CLASS = "local-path"
PROVISIONER = "edge.pi/local-path"
PROVISIONED_BY = "edge.pi/provisioned-by"
"""Annotation of a volume: with the value `local-path`, its directory is made by the node when it is missing."""
FINALIZER = "edge.pi/local-path"
"""Keeps the volume until its node says that the directory is gone."""
DIRECTORY = "/var/lib/edge/volumes"
HOST_NAME = "kubernetes.io/hostname"
_NAME = re.compile(r"pvc-[0-9A-Za-z][0-9A-Za-z-]{0,250}")


def name_of(claim: core.PersistentVolumeClaim) -> str:
    """Return the name of the volume that is made for a claim."""
    return f"pvc-{claim.metadata.uid}"


def is_name(text: str) -> bool:
    """Return whether a directory of this name may be one of ours; nothing in it leads out of the directory."""
    return _NAME.fullmatch(text) is not None


def is_local(volume: core.PersistentVolume) -> bool:
    """Return whether the volume is a directory that was made for its claim."""
    return volume.metadata.annotations.get(PROVISIONED_BY) == CLASS and volume.spec.local is not None


def host_of(volume: core.PersistentVolume) -> str:
    """Return the host name of the one node that has the volume, or ""."""
    required = volume.spec.node_affinity.required if volume.spec.node_affinity else None
    for term in required.node_selector_terms if required else ():
        for rule in term.match_expressions:
            if rule.key == HOST_NAME and rule.operator == "In" and len(rule.values) == 1:
                return rule.values[0]
    return ""


def affinity(host: str) -> core.VolumeNodeAffinity:
    """Return the node affinity of a volume on that host."""
    rule = core.NodeSelectorRequirement(key=HOST_NAME, operator="In", values=(host,))
    return core.VolumeNodeAffinity(required=core.NodeSelector(
        node_selector_terms=(core.NodeSelectorTerm(match_expressions=(rule,)),)))
