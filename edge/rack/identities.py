"""Effects: keys, certificates and directories of the ground, each with the owner who needs it and nobody else."""

from __future__ import annotations

import os
import stat
from datetime import datetime
from pathlib import Path

from edge.pki import authority, directory
from edge.rack import addressing, files
from edge.rack.commands import RackError
from edge.rack.settings import Rack

SERVERS_KEYS = (*(f"{stem}.key" for stem in (directory.CA, directory.USERS, directory.API, directory.SERVER,
                                             directory.ADMIN)), directory.TOKEN_KEY)
BROKERS_KEY = f"{directory.BROKER}.key"


def ensure(rack: Rack, now: datetime) -> tuple[str, ...]:
    """Make what is missing and return the names of the files that were written.

    Raises:
        RackError: a user is missing, a file is damaged, or the card is full.
    """
    server, broker = files.user(rack.server_user), files.user(rack.broker_user)
    try:
        return directory.ensure(rack.pki_dir, dns=addressing.dns_names(rack), addresses=addressing.addresses(rack),
                                now=now, owners={**dict.fromkeys(SERVERS_KEYS, server), BROKERS_KEY: broker})
    except authority.PkiError as error:
        raise RackError(f"{rack.pki_dir}: {error}") from error
    except OSError as error:
        raise RackError(f"{error.filename or rack.pki_dir}: {error.strerror}") from error


def make_directories(rack: Rack) -> None:
    """Make the directories. What is there stays as it is, but for the owner of the wishes.

    Raises:
        RackError: one cannot be made, or is something else.
    """
    owner = files.user(rack.server_user)
    try:
        for path in (rack.state_dir, rack.run_dir, rack.config_dir):
            path.mkdir(parents=True, exist_ok=True)
        _own(rack.wishes_dir.parent, owner)
        _own(rack.wishes_dir, owner)
    except OSError as error:
        raise RackError(f"{error.filename}: {error.strerror}") from error


def _own(path: Path, owner: tuple[int, int]) -> None:
    """Make a directory of the server's; one that is a link is refused: root would follow it for another user."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o750)
    except FileExistsError:
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise RackError(f"{path} is no directory: move it away") from None
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_uid != owner[0]:
            os.fchown(descriptor, *owner)
    finally:
        os.close(descriptor)
