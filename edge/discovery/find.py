"""Finds masters and prints them: `python -m edge.discovery.find --ca-cert-hash sha256:... --timeout 10`.

The agent runs this as a child process, so that zeroconf never stays in the agent's memory. One line of JSON for each
master that may be the one; whoever reads them checks the authority. Exit code 1 when there is none.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from edge.discovery import mdns


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m edge.discovery.find", description="Find the rack's master.")
    parser.add_argument("--ca-cert-hash", default="", help="sha256:<hex> of the authority's public key; any if absent")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds to listen (default 10)")
    parser.add_argument("--interface", action="append", default=[], help="address of an interface to ask on")
    parser.add_argument("--for-node", action="store_true", help="only masters that offer a node the bus")
    options = parser.parse_args(arguments)
    try:
        found = asyncio.run(mdns.find_masters(options.ca_cert_hash, timeout=options.timeout,
                                              addresses=options.interface, for_node=options.for_node))
    except mdns.DiscoveryError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for master in found:
        sys.stdout.write(json.dumps(asdict(master)) + "\n")
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
