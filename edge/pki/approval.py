"""Decides about certificate requests: approve, deny, or leave them to a person.

A node is a board and a key. The key proves, and is all that proves: who has it gets a certificate for it at any time.
The board's serial number says what has happened when name, key and board no longer go together as they did: a card
that was flashed anew, moved, or copied, a machine that was renamed. It is printed on stickers, so alone it opens
nothing. A bootstrap token lets a machine in under a name nobody has, and takes no name from anybody.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from edge.pki import names, serials

RESERVED = frozenset(("localhost", "kubernetes"))
"""Names of the API server: a node's certificate would pass for it."""
USAGES = frozenset(("client auth", "server auth", "digital signature", "key encipherment"))
ADOPTED = "NodeAdopted"
"""Reason of an approval by which a person gives a node's name to another key."""
AUTOMATIC = frozenset(("NodeJoin", "NodeRejoin", "NodeRenewal", "NodeRenamed", "NodeMoved"))
"""Reasons of approvals nobody had to give."""
_ADOPTED_AS = "adopted as "


class Life(enum.Enum):
    """Whether a node runs now."""

    ALIVE = "alive"
    SILENT = "silent"
    UNKNOWN = "unknown"
    """The server has not listened for long enough to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A certificate request as the decision needs it: what it asks for, and who sent it."""

    signer: str
    usages: tuple[str, ...]
    common_name: str
    organizations: tuple[str, ...]
    dns: tuple[str, ...]
    addresses: tuple[str, ...]
    key_hash: str
    username: str
    groups: tuple[str, ...]
    serial: str = ""
    """Of the board; a machine that has none, or an older agent, names none."""
    token_is_good: bool = True
    """Whether the bootstrap token it was sent with is still there and has not expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A name that was given away, and to whom."""

    name: str
    keys: frozenset[str] = frozenset()
    """Hashes of the keys its certificates were issued for; empty for a Node somebody made by hand."""
    serial: str = ""
    """Of the board; "" for a certificate of an older version."""
    life: Life = Life.SILENT
    address: str = ""


@dataclass(frozen=True, slots=True)
class Approve:
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Deny:
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Wait: for a person, or for what has a `reason` until that has changed."""

    message: str
    reason: str = ""


Decision = Approve | Deny | Leave


def decide(asked: Asked, known: Iterable[Known], *, revoked: Collection[str] = (),
           own: Collection[str] = ()) -> Decision:
    """Return what becomes of the request.

    Args:
        asked: the request.
        known: every name that is taken.
        revoked: hashes of the keys that were revoked.
        own: names of the master, by which others reach it.
    """
    if asked.signer != names.NODE_SIGNER:
        return Leave(f"the signer is not {names.NODE_SIGNER}")
    if problem := wrong(asked):
        return Deny("InvalidRequest", problem)
    if asked.key_hash in revoked:
        return Deny("KeyRevoked", f"the key {asked.key_hash} was revoked; to let this machine in again all the same, "
                                  "remove /var/lib/edge/agent/identity on it and give it a bootstrap token")
    known = tuple(known)
    named = next((each for each in known if each.name == asked.common_name), None)
    holders = tuple(each for each in known if asked.key_hash in each.keys)
    is_node = asked.username == f"system:node:{asked.common_name}" and names.NODES_GROUP in asked.groups
    renews = is_node or names.RENEWERS_GROUP in asked.groups
    if not renews and names.BOOTSTRAPPERS_GROUP not in asked.groups:
        return Leave("the requester is neither the node itself nor has a bootstrap token")
    if not renews and not asked.token_is_good:
        return Leave("the bootstrap token the request was sent with was deleted or has expired", "TokenGone")
    if holders:
        if named is None and asked.common_name in own:
            return _reserved(asked)
        return _known_key(asked, named, holders, "NodeRenewal" if renews else "NodeRejoin")
    if is_node:
        return _new_key_of_node(asked, named)
    if renews:
        return Deny("KeyUnknown", f"no node {asked.common_name} with this key is known: it needs a bootstrap token")
    return _new_key(asked, named, known)


def wrong(asked: Asked) -> str:
    """Return why no certificate may ever be made of the request, or ""."""
    if problem := names.node_name_problem(asked.common_name) or serials.problem(asked.serial):
        return problem
    if asked.common_name in RESERVED:
        return f"the name {asked.common_name} is the API server's"
    if asked.organizations != (names.NODES_GROUP,):
        return f"the organization must be {names.NODES_GROUP} and nothing else"
    if unknown := [usage for usage in asked.usages if usage not in USAGES]:
        return f"a node certificate is not for {', '.join(unknown)}"
    if any(name != asked.common_name for name in asked.dns):
        return "the only DNS name of a node certificate is the node's own"
    return ""


def adopted_message(name: str, why: str) -> str:
    """Return the message of an approval that gives the name to the request's key."""
    return f"{_ADOPTED_AS}{name}: {why}"


def adopted_name(reason: str, message: str) -> str:
    """Return the name an approval gives away, which may be another than was asked for; "" when it gives none."""
    if reason != ADOPTED or not message.startswith(_ADOPTED_AS):
        return ""
    name = message.removeprefix(_ADOPTED_AS).partition(":")[0]
    return "" if names.node_name_problem(name) or name in RESERVED else name


def _known_key(asked: Asked, named: Known | None, holders: tuple[Known, ...], reason: str) -> Decision:
    """The key is one of ours: the same machine, unless another board with the same key runs at this moment."""
    other_boards = [each for each in holders if _differ(each.serial, asked.serial)]
    for other in other_boards:
        if other.life is Life.ALIVE:
            return Deny("NodeCloned", f"the card of board {asked.serial} is a copy: the key of {_board(other)} "
                                      "is in use there; this board needs a key of its own")
        if other.life is Life.UNKNOWN:
            return _not_yet(other)
    if named is not None and named not in holders:
        return _taken(asked, named)
    if named is None:
        old = ", ".join(each.name for each in holders)
        return Approve("NodeRenamed", f"{old} is called {asked.common_name} now")
    if _differ(named.serial, asked.serial):
        return Approve("NodeMoved", f"the card of {asked.common_name} is in board {asked.serial} now instead of "
                                    f"{named.serial}")
    return Approve(reason, "the node renews its certificate with the key it had" if reason == "NodeRenewal"
                   else "the node joins again with the key it had")


def _new_key_of_node(asked: Asked, named: Known | None) -> Decision:
    """A node with a certificate that is good asks for another key. No agent does so by itself, and a thief who could
    would be left with a key that nobody revokes when the one of the stolen card is."""
    if named is not None and _differ(named.serial, asked.serial):
        return Deny("NodeCloned", f"the certificate of {_board(named)} was used by board {asked.serial}; this board "
                                  "needs an identity of its own")
    return Leave(f"the node {asked.common_name} asks for another key than its own; if that is what you want, `edgectl "
                 f"node adopt {asked.common_name}` lets it have that one", "NodeNeedsAdoption")


def _reserved(asked: Asked) -> Leave:
    """The master's own agent joins under such a name with a token, on a fresh rack. A node that is called so later
    would have a certificate that passes for the master's wherever that name is looked for."""
    return Leave(f"the name {asked.common_name} is the master's; give this machine {_in_brackets(asked.serial)}another "
                 "host name (`hostnamectl set-hostname NAME`, or node_name in /etc/edge/agent.toml) and start "
                 "edge-agent again", "NameReserved")


def _new_key(asked: Asked, named: Known | None, known: tuple[Known, ...]) -> Decision:
    if named is not None:
        return _taken(asked, named)
    same_board = [each for each in known if asked.serial and each.serial == asked.serial]
    for old in same_board:
        if old.life is Life.UNKNOWN:
            return _not_yet(old)
        if old.life is Life.SILENT:
            return Leave(f"this is the board of {old.name}, with a new key and the name {asked.common_name}: `edgectl "
                         f"node adopt {old.name}` makes it {old.name} again, `kubectl certificate approve` on this "
                         f"request a new node {asked.common_name}", "NodeNeedsAdoption")
    also = f"; {same_board[0].name}, which runs, names the same serial number" if same_board else ""
    return Approve("NodeJoin", f"a new node joins with a bootstrap token{also}")


def _taken(asked: Asked, named: Known) -> Decision:
    if named.life is Life.UNKNOWN:
        return _not_yet(named)
    if named.life is Life.ALIVE:
        anew = "if this is that board, with a new card, wait a moment; else " if asked.serial == named.serial else ""
        return Leave(f"the name {asked.common_name} belongs to {_board(named)}, which runs; {anew}give this machine "
                     f"{_in_brackets(asked.serial)}another host name (`hostnamectl set-hostname NAME`, or node_name in "
                     "/etc/edge/agent.toml) and start edge-agent again", "NameTaken")
    if asked.serial and asked.serial == named.serial:
        what = f"the board of {asked.common_name} has a new key: its card was flashed anew"
    else:
        what = (f"the name {asked.common_name} was given to {_board(named)}, which is silent, and this is another "
                f"machine {_in_brackets(asked.serial)}".rstrip())
    return Leave(f"{what}; if that is what you want, `edgectl node adopt {asked.common_name}` lets it be "
                 f"{asked.common_name}", "NodeNeedsAdoption")


def _not_yet(other: Known) -> Leave:
    return Leave(f"it is not known yet whether {other.name} runs; this is looked at again in a moment",
                 "NodeStateUnknown")


def _differ(one: str, other: str) -> bool:
    """Return whether two boards are known to be different ones."""
    return bool(one and other and one != other)


def _board(node: Known) -> str:
    where = f" at {node.address}" if node.address else ""
    return f"{node.name} (board {node.serial or 'unknown'}{where})"


def _in_brackets(serial: str) -> str:
    return f"(board {serial}) " if serial else ""
