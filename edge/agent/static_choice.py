"""Decides which static pods a node runs, from what was read of the files in its folder, now and before.

A file that is wrong for a while, as while it is being written, does not end the pod that it made before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from edge.api import core, mirror_pods
from edge.bus import messages

SUFFIXES = (".yaml", ".yml", ".json")
MOST_FILES = mirror_pods.MOST
MOST_TOTAL_BYTES = 3 * 1024 * 1024
"""All of them travel in one message."""


class Stamp(msgspec.Struct, frozen=True):
    """What tells that a file is another one than before."""

    modified: int
    size: int
    inode: int


UNREAD = Stamp(0, 0, 0)
"""Of a file that could not be looked at."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one file. `pod` is the newest that could be made of it, maybe from before it went wrong."""

    path: str
    stamp: Stamp
    pod: core.Pod | None = None
    problem: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """The pods to run, by uid, and what is wrong, by file."""

    pods: Mapping[str, messages.DesiredPod]
    problems: Mapping[str, str]


def is_manifest(name: str) -> bool:
    """Return whether a file of that name is read; editors leave others beside."""
    return not name.startswith(".") and name.endswith(SUFFIXES)


def changed(known: Iterable[Manifest], stamps: Mapping[str, Stamp]) -> tuple[str, ...]:
    """Return the files that have to be read."""
    before = {manifest.path: manifest.stamp for manifest in known}
    return tuple(sorted(path for path, stamp in stamps.items() if before.get(path) != stamp))


def merged(known: Iterable[Manifest], fresh: Iterable[Manifest], present: Iterable[str]) -> tuple[Manifest, ...]:
    """Return what is known of the files that are there, after some were read."""
    before = {manifest.path: manifest for manifest in known}
    after = dict(before)
    for manifest in fresh:
        earlier = before.get(manifest.path)
        old = earlier.pod if earlier is not None else None
        # The same pod from a file that was only touched is no news.
        same = old is not None and (manifest.pod is None or manifest.pod.metadata.uid == old.metadata.uid)
        after[manifest.path] = msgspec.structs.replace(manifest, pod=old) if same else manifest
    there = set(present)
    return tuple(after[path] for path in sorted(after) if path in there)


def chosen(manifests: Iterable[Manifest]) -> Choice:
    """Return what to run: of two files with one pod's name the first, and no more than a node can report."""
    pods: dict[str, messages.DesiredPod] = {}
    problems: dict[str, str] = {}
    names: dict[tuple[str, str], str] = {}
    total = 0
    for manifest in manifests:
        pod = manifest.pod
        if manifest.problem:
            problems[manifest.path] = manifest.problem
        if pod is None:
            continue
        name = (pod.metadata.namespace, pod.metadata.name)
        total += len(msgspec.json.encode(pod))
        if name in names:
            problems[manifest.path] = f"pod {'/'.join(name)} is in {names[name]} already"
        elif len(pods) >= MOST_FILES or total > MOST_TOTAL_BYTES:
            problems[manifest.path] = f"a node runs no more than {MOST_FILES} static pods of {MOST_TOTAL_BYTES} bytes"
        else:
            names[name] = manifest.path
            pods[pod.metadata.uid] = messages.DesiredPod(revision=pod.metadata.uid, pod=pod)
    return Choice(pods, problems)


def startable(choice: Choice, there: Iterable[core.Pod]) -> dict[str, messages.DesiredPod]:
    """Return the pods that can run now: one waits until an earlier pod of its name is gone from the node."""
    busy: dict[tuple[str, str], set[str]] = {}
    for pod in there:
        busy.setdefault((pod.metadata.namespace, pod.metadata.name), set()).add(pod.metadata.uid)
    return {uid: desired for uid, desired in choice.pods.items()
            if busy.get((desired.pod.metadata.namespace, desired.pod.metadata.name), set()) <= {uid}}
