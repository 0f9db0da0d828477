"""A certificate authority in a folder, for one test run, made of the product's own."""

from __future__ import annotations

from pathlib import Path

from edge.pki import authority, directory, names

NOW = authority.EARLIEST_NOW


class Authority:
    """Issues certificates as files."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder = folder
        self._pair = authority.create_ca(NOW)
        self.ca = folder / f"{name}.crt"
        self.ca.write_bytes(self._pair.certificate)

    def issue(self, name: str, *organizations: str, server: bool = False) -> tuple[Path, Path]:
        """Write a certificate with its key and return both paths; a server's is good for loopback too."""
        profile = names.Profile(common_name=name, organizations=organizations, client=True, server=server,
                                dns=(name, "localhost") if server else (),
                                addresses=("127.0.0.1",) if server else ())
        issued = authority.issue(self._pair, profile, NOW)
        stem = self.folder / name.replace(":", "-")
        paths = stem.with_name(stem.name + ".crt"), stem.with_name(stem.name + ".key")
        directory.write(paths[0], issued.certificate, mode=0o644)
        directory.write(paths[1], issued.key)
        return paths
