"""Makes a node's key and certificate request: `python -m edge.pki.request --name node-1 --serial S --directory DIR`.

The agent runs this as a child process, so that the cryptography package never stays in the agent's memory. The key
is kept when it is there: it is what the node is recognized by when it joins again. The serial number is that of the
board, which tells a card that was moved or copied.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from edge.pki import authority, directory, names, serials

KEY = "node.key"
REQUEST = "node.csr"


def make(name: str, folder: Path, serial: str = "") -> str:
    """Write `node.key` (unless it is there) and `node.csr`, and return the hash of the public key.

    Raises:
        PkiError: the name is not a node name, the serial is not one, or the key that is there cannot be read.
        OSError: the directory cannot be written.
    """
    if problem := names.node_name_problem(name) or serials.problem(serial):
        raise authority.PkiError(f"{name}: {problem}")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / KEY
    if not path.exists():
        directory.write(path, authority.new_key())
    key = path.read_bytes()
    directory.write(folder / REQUEST, authority.request(key, names.node(name, serial=serial)), mode=0o644)
    return authority.spki_hash(key)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; prints the hash of the public key."""
    parser = argparse.ArgumentParser(prog="python -m edge.pki.request", description="Make a node's key and request.")
    parser.add_argument("--name", required=True, help="name of the node")
    parser.add_argument("--serial", default="", help="serial number of the board; none if absent")
    parser.add_argument("--directory", required=True, type=Path, help="where node.key and node.csr are kept")
    options = parser.parse_args(arguments)
    try:
        sys.stdout.write(make(options.name, options.directory, options.serial) + "\n")
    except (authority.PkiError, OSError) as error:
        sys.stderr.write(f"cannot make the certificate request: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
