"""Effects: puts the ground's files in their places, all of them or none.

Each is written beside its place, under a name no program reads (`.NAME.new`), and checked by the program it is for.
When all have passed they are renamed. The last good one stays beside it (`.NAME.last`), for the way back.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from edge.rack.commands import RackError, must
from edge.rack.document import Command, Document


def differing(documents: Iterable[Document]) -> tuple[Document, ...]:
    """Return those whose file is missing, says something else, or belongs to somebody else."""
    return tuple(document for document in documents if not _is_so(document))


def stage(documents: Iterable[Document]) -> None:
    """Write the files beside their places and have each one checked.

    Raises:
        RackError: a program refused one, or one cannot be written; nothing is left of any, and nothing has changed.
    """
    documents = tuple(documents)
    try:
        for document in documents:
            _write(document)
            if document.check:
                _check(document)
    except RackError:
        discard(documents)
        raise


def tried(documents: Iterable[Document]) -> None:
    """Have each file checked in a directory that goes again.

    Raises:
        RackError: a program refused one.
    """
    with tempfile.TemporaryDirectory(prefix="edge-rack-", dir="/run") as directory:
        for number, document in enumerate(documents):
            elsewhere = Path(directory, str(number), document.path.name)
            try:
                stage([replace(document, path=elsewhere)])
            except RackError as error:
                raise RackError(str(error).replace(str(elsewhere), str(document.path))) from error


def swap(documents: Iterable[Document]) -> None:
    """Put the staged files in their places, and keep those that were there before.

    Raises:
        RackError: one cannot be put there; all are as they were.
    """
    documents, done = tuple(documents), []
    try:
        for document in documents:
            _keep(document.path)
        for document in documents:
            _beside(document.path, "new").replace(document.path)
            done.append(document)
            _sync(document.path.parent)
    except OSError as error:
        restore(done)
        discard(documents)
        raise RackError(f"{error.filename}: {error.strerror}. Nothing was changed") from error


def restore(documents: Iterable[Document]) -> None:
    """Put back what was there before `swap`; a file that was not there is removed."""
    for document in documents:
        last = _beside(document.path, "last")
        if last.exists():
            last.replace(document.path)
        else:
            document.path.unlink(missing_ok=True)
        _sync(document.path.parent)


def discard(documents: Iterable[Document]) -> None:
    """Remove staged files that are not wanted."""
    for document in documents:
        with contextlib.suppress(OSError):
            _beside(document.path, "new").unlink()


def remove(path: Path) -> bool:
    """Remove a file of ours with all that is beside it, and return whether it was there."""
    there = path.exists()
    for each in (path, _beside(path, "new"), _beside(path, "last")):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            each.unlink()
    return there


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f".{path.name}.{what}")


def _is_so(document: Document) -> bool:
    try:
        found = document.path.stat()
        return (document.path.read_text() == document.text and found.st_mode & 0o7777 == document.mode
                and found.st_uid == user(document.owner)[0])
    except (OSError, UnicodeDecodeError):
        return False


def _keep(path: Path) -> None:
    last = _beside(path, "last")
    last.unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.link(path, last)


def _write(document: Document) -> None:
    owner, new = user(document.owner), _beside(document.path, "new")
    try:
        document.path.parent.mkdir(parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(document.text)
            file.flush()
            os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), document.mode)
            os.fsync(file.fileno())
    except OSError as error:
        raise RackError(f"{document.path} cannot be written: {error.strerror}. Nothing was changed") from error


def _check(document: Document) -> None:
    argv = tuple(part.replace("{}", str(_beside(document.path, "new"))) for part in document.check)
    try:
        must(Command(argv=argv))
    except RackError as error:
        raise RackError(f"{document.path} would not work: {error}. Nothing was changed") from error


def user(name: str) -> tuple[int, int]:
    """Return a user's number and that of its group.

    Raises:
        RackError: there is none.
    """
    try:
        found = pwd.getpwnam(name)
    except KeyError as error:
        raise RackError(f"there is no user {name}: install the package that makes it, or "
                        f"`adduser --system --group {name}`; or name another one in rack.toml") from error
    return found.pw_uid, found.pw_gid


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
