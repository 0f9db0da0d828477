"""A real Mosquitto on a free loopback port, with certificates made for the test. It ends with the test."""

from __future__ import annotations

import contextlib
import resource
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

from edge.bus import broker
from edge.clock import SystemClock
from edge.pki import authority, directory, names

PROGRAM = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin") or ""


class Mosquitto:
    """Starts, stops and kills one broker; knows the certificates of everyone on the bus."""

    def __init__(self, folder: Path, address: str = "127.0.0.1", within: tuple[str, ...] = ()) -> None:
        """`within` is the command that starts it elsewhere, such as in another network namespace."""
        self.folder, self.address, self._within = folder, address, within
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        directory.ensure(folder, dns=("localhost",), addresses=("127.0.0.1", address), now=SystemClock().now())
        self.ca = directory.read_pair(folder, directory.CA)
        (folder / "acl").write_text(broker.access_list())
        (folder / "acl").chmod(0o600)
        self.configure()

    def configure(self, revoked: bytes = b"", memory_bytes: int = 160 * 1024 * 1024) -> None:
        """Write the configuration `edge-rack` would write, with a list of revoked certificates."""
        folder = self.folder
        (folder / "revoked.crl").write_bytes(revoked)
        (folder / "mosquitto.conf").write_text(broker.configuration(broker.Broker(
            ca=folder / "ca.crt", certificate=folder / "broker.crt", key=folder / "broker.key",
            access_list=folder / "acl", port=self.port, addresses=(self.address,), user="root",
            memory_bytes=memory_bytes, revoked=folder / "revoked.crl" if revoked else None, revoked_content=revoked)))

    def start(self) -> None:
        """Start and wait until it listens."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*self._within, PROGRAM, "-c", str(self.folder / "mosquitto.conf")],
                                             stderr=log)
        look = [*self._within, "ss", "-Hltn", f"sport = :{self.port}"]
        for _ in range(200):
            if self._within:
                if subprocess.run(look, capture_output=True, check=False).stdout:
                    return
                time.sleep(0.02)
                continue
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.02)
        raise AssertionError(f"mosquitto did not start: {self.log()}")

    def kill(self) -> None:
        """End the process at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=10)
            self._process = None

    def memory_bytes(self) -> int:
        """Return how much of the memory the process has."""
        assert self._process is not None
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()

    @property
    def runs(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        """Return what the broker wrote to its log."""
        return (self.folder / "log").read_text()

    def server_context(self) -> ssl.SSLContext:
        """Return the TLS settings of the server."""
        return self._context(self.folder / "ca.crt", self.folder / "edge-server.crt", self.folder / "edge-server.key")

    def nobody_context(self) -> ssl.SSLContext:
        """Return the TLS settings of a client that shows no certificate."""
        return self._context(self.folder / "ca.crt")

    def node_context(self, name: str, ca: authority.Pair | None = None) -> ssl.SSLContext:
        """Return the TLS settings of a node; with `ca`, of one whose certificate comes from elsewhere."""
        return self.context(name, authority.issue(ca or self.ca, names.node(name), SystemClock().now()))

    def context(self, name: str, pair: authority.Pair) -> ssl.SSLContext:
        """Return the TLS settings of whoever has that pair."""
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        directory.write(certificate, pair.certificate)
        directory.write(key, pair.key)
        return self._context(self.folder / "ca.crt", certificate, key)

    @staticmethod
    def _context(ca: Path, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(ca))
        if certificate is not None:
            context.load_cert_chain(certificate, key)
        return context


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
