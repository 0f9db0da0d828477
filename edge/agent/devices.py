"""Decides which devices of a board pods may ask for, from what its /dev and /sys show and what the settings say.

Each resource is offered as units. What only one program can use at a time (a serial port, a camera) is one unit each,
for one pod; what programs may use side by side (the pins, the buses) is one unit of all its nodes for several pods.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

GPIO, I2C, SPI = "edge.pi/gpio", "edge.pi/i2c", "edge.pi/spi"
CAMERA, SERIAL, VIDEO, GPU = "edge.pi/camera", "edge.pi/serial", "edge.pi/video", "edge.pi/gpu"
SHARED = 10
"""Pods that may use the pins or a bus side by side."""

# Ports of the board itself: where there is no board of ours, such nodes may be there without hardware, or be the
# machine's own business.
_ON_BOARD_PORTS = ("/dev/ttyAMA*", "/dev/ttyS*")
_PLUGGED_PORTS = ("/dev/ttyUSB*", "/dev/ttyACM*")
HEADER_PORT, BLUETOOTH_PORT = "/dev/serial0", "/dev/serial1"
_RECEIVERS = ("unicam", "rp1-cfe", "mmal service", "camera0")
"""Beginnings of the names that drivers of a camera connector give their nodes."""
_PROCESSORS = ("bcm2835-isp", "bcm2835-codec", "pispbe", "rpivid", "rpi-hevc-dec")
"""Of the chip's picture processors and coders, which every program for a camera wants as well."""
_CAMERA_EXTRAS = ("/dev/vchiq", "/dev/vcsm-cma", "/dev/dma_heap/*", "/dev/v4l-subdev*")
_RESOURCE = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/"
                       r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LONGEST_NAME = 200
_VIDEO_NODES, _MEDIA_NODES = "/dev/video*", "/dev/media*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What the settings say of one resource. `share` 0 and no paths: as it is by itself."""

    resource: str
    paths: tuple[str, ...] = ()
    """Patterns of nodes below /dev, each match a unit of its own."""
    share: int = 0
    """Pods that may have one unit side by side."""
    together: bool = False
    """All matches are one unit."""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """A node below /dev. `real` is another path where `path` is a link."""

    path: str
    real: str
    group: int = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """What /sys says of a video or media node: the name its driver gives it, and the hardware it belongs to."""

    name: str
    hardware: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What there is on the machine, as it was read."""

    is_board: bool = False
    """It has a device tree with a model: its pins and buses are there to be used."""
    nodes: tuple[Found, ...] = ()
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    """By path, such as /dev/video0."""
    taken: frozenset[str] = frozenset()
    """Serial ports that are the machine's console, or nodes without hardware."""


@dataclass(frozen=True, slots=True)
class Node:
    """A device node, and the group that may use it (0: only root may, or everybody)."""

    path: str
    group: int = 0
    aliases: tuple[str, ...] = ()
    """Further paths containers find it at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What one pod gets for an amount of one. `name` stays the same while the device is plugged in."""

    name: str
    nodes: tuple[Node, ...]
    share: int = 1
    shown: tuple[str, ...] = ()
    """The paths a program is told."""


Offers = Mapping[str, tuple[Unit, ...]]
"""Units by resource."""

OWN: Mapping[str, Rule] = {rule.resource: rule for rule in (
    Rule(resource=GPIO, paths=("/dev/gpiochip*", "/dev/gpiomem*"), share=SHARED, together=True),
    Rule(resource=I2C, paths=("/dev/i2c-*",), share=SHARED, together=True),
    Rule(resource=SPI, paths=("/dev/spidev*",), share=SHARED, together=True),
    Rule(resource=GPU, paths=("/dev/dri/card*", "/dev/dri/renderD*"), share=SHARED, together=True),
    Rule(resource=SERIAL, paths=(*_ON_BOARD_PORTS, *_PLUGGED_PORTS), share=1),
    Rule(resource=CAMERA, share=1), Rule(resource=VIDEO, share=1))}
_ON_BOARD = (GPIO, I2C, SPI, GPU)


def rules(given: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return all rules that hold: those given by a person before the agent's own, which they change or switch off."""
    said = {rule.resource: rule for rule in given}
    chosen = [rule for rule in said.values() if rule.enabled and rule.paths]
    chosen += [replace(own, share=said[name].share or own.share) if name in said else own
               for name, own in OWN.items() if name not in said or (said[name].enabled and not said[name].paths)]
    return tuple(replace(rule, share=max(1, rule.share)) for rule in chosen)


def check_resource(name: str, *, has_paths: bool) -> None:
    """Raise ValueError for what is no name of a resource of a person's own, or one that needs paths and has none."""
    if not _RESOURCE.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise ValueError(f"{name!r} is not the name of a resource, such as edge.pi/zigbee")
    domain = name.partition("/")[0]
    if domain == "kubernetes.io" or domain.endswith(".kubernetes.io") or domain.startswith("requests."):
        raise ValueError(f"{name!r}: such names are Kubernetes' own")
    if not has_paths and name not in OWN:
        raise ValueError(f"{name!r} has no paths")


def patterns(given: Iterable[Rule]) -> tuple[str, ...]:
    """Return which paths have to be looked for."""
    found: dict[str, None] = {}
    for rule in given:
        found |= dict.fromkeys(rule.paths)
        if _is_own(rule, SERIAL):
            found |= dict.fromkeys((HEADER_PORT, BLUETOOTH_PORT))
        elif _is_own(rule, CAMERA):
            found |= dict.fromkeys((_VIDEO_NODES, _MEDIA_NODES, *_CAMERA_EXTRAS))
        elif _is_own(rule, VIDEO):
            found |= dict.fromkeys((_VIDEO_NODES, _MEDIA_NODES))
    return tuple(found)


def offers(listing: Listing, given: Iterable[Rule]) -> Offers:
    """Return what pods may ask for. A node belongs to the first resource that wants it."""
    found: dict[str, tuple[Unit, ...]] = {}
    claimed: set[str] = set()
    for rule in given:
        left = replace(listing, nodes=tuple(node for node in listing.nodes if node.real not in claimed))
        units = _units(left, rule)
        if not _is_own(rule, rule.resource):
            claimed |= {node.path for unit in units for node in unit.nodes}
        if units or not _is_own(rule, rule.resource):
            found[rule.resource] = units
    return found


def capacity(found: Offers) -> dict[str, str]:
    """Return how many of each resource pods may have."""
    return {name: str(sum(unit.share for unit in units)) for name, units in found.items()}


def _is_own(rule: Rule, resource: str) -> bool:
    return rule.resource == resource and resource in OWN and rule.paths == OWN[resource].paths


def _units(listing: Listing, rule: Rule) -> tuple[Unit, ...]:
    if not _is_own(rule, rule.resource):
        return _matching(listing, rule)
    if rule.resource == SERIAL:
        return _ports(listing, rule)
    if rule.resource == CAMERA:
        return _cameras(listing, rule)
    if rule.resource == VIDEO:
        return _videos(listing, rule)
    return _matching(listing, rule) if listing.is_board or rule.resource not in _ON_BOARD else ()


def _matching(listing: Listing, rule: Rule) -> tuple[Unit, ...]:
    nodes: dict[str, Node] = {}
    for found in listing.nodes:
        if any(fnmatchcase(found.path, pattern) for pattern in rule.paths):
            before = nodes.get(found.real, Node(found.real, found.group))
            alias = (found.path,) if found.path != found.real else ()
            nodes[found.real] = replace(before, aliases=(*before.aliases, *alias))
    if rule.together:
        return _together(nodes.values(), rule.share)
    return tuple(Unit(name=_name(node.path), nodes=(node,), share=rule.share, shown=_shown(node))
                 for _, node in sorted(nodes.items(), key=lambda each: _order(each[0])))


def _together(nodes: Iterable[Node], share: int) -> tuple[Unit, ...]:
    ordered = tuple(sorted(nodes, key=lambda node: _order(node.path)))
    return (Unit(name="all", nodes=ordered, share=share, shown=tuple(_shown(node)[0] for node in ordered)),) \
        if ordered else ()


def _ports(listing: Listing, rule: Rule) -> tuple[Unit, ...]:
    real = {found.path: found.real for found in listing.nodes}
    taken = listing.taken | {real.get(BLUETOOTH_PORT, "")}
    header = real.get(HEADER_PORT, "")
    found = _matching(replace(listing, nodes=tuple(
        node for node in listing.nodes if node.path == node.real and node.real not in taken and (
            listing.is_board or not any(fnmatchcase(node.path, each) for each in _ON_BOARD_PORTS)))), rule)
    return tuple(replace(unit, nodes=(replace(unit.nodes[0], aliases=(HEADER_PORT,)),))
                 if unit.nodes[0].path == header and header != HEADER_PORT else unit for unit in found)


def _cameras(listing: Listing, rule: Rule) -> tuple[Unit, ...]:
    extras = [node for node in listing.nodes if any(fnmatchcase(node.path, each) for each in _CAMERA_EXTRAS)]
    receivers: dict[str, list[Found]] = {}
    for node in listing.nodes:
        picture = listing.pictures.get(node.path)
        if picture is None:
            continue
        if picture.name.startswith(_RECEIVERS):
            receivers.setdefault(picture.hardware, []).append(node)
        elif picture.name.startswith(_PROCESSORS):
            extras.append(node)
    units = []
    for nodes in receivers.values():
        videos = sorted((node.path for node in nodes if fnmatchcase(node.path, _VIDEO_NODES)), key=_order)
        if videos:
            every = sorted({Node(node.real, node.group) for node in (*nodes, *extras)}, key=lambda n: _order(n.path))
            units.append(Unit(name=_name(videos[0]), nodes=tuple(every), share=rule.share, shown=(videos[0],)))
    return tuple(sorted(units, key=lambda unit: _order(unit.name)))


def _videos(listing: Listing, rule: Rule) -> tuple[Unit, ...]:
    """Return what is neither the board's camera nor one of its coders: by the hardware, as one has several nodes."""
    sources: dict[str, list[Found]] = {}
    for node in listing.nodes:
        picture = listing.pictures.get(node.path)
        if picture is not None and not picture.name.startswith((*_RECEIVERS, *_PROCESSORS)):
            sources.setdefault(picture.hardware, []).append(node)
    units = []
    for nodes in sources.values():
        videos = sorted((node.path for node in nodes if fnmatchcase(node.path, _VIDEO_NODES)), key=_order)
        if videos:
            units.append(Unit(name=_name(videos[0]), share=rule.share, shown=(videos[0],), nodes=tuple(
                Node(node.real, node.group) for node in sorted(nodes, key=lambda each: _order(each.path)))))
    return tuple(sorted(units, key=lambda unit: _order(unit.name)))


def _shown(node: Node) -> tuple[str, ...]:
    return node.aliases[:1] or (node.path,)


def _name(path: str) -> str:
    return PurePosixPath(path).name.replace(",", "_").replace("=", "_")


def _order(path: str) -> tuple[str, int]:
    """Sort /dev/video2 before /dev/video10."""
    head = path.rstrip("0123456789")
    return head, int(path[len(head):] or -1)
