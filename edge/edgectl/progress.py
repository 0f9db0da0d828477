"""Shows how far uploads to several nodes are: on a terminal one line that is written anew, elsewhere nothing of it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence

import click


class Progress:
    """Bytes sent to each node. Safe to call from several threads."""

    def __init__(self, nodes: Sequence[str], each_bytes: int, terminal: bool | None = None) -> None:
        self._sent, self._whole = dict.fromkeys(nodes, 0), max(1, each_bytes)
        self._terminal = sys.stderr.isatty() if terminal is None else terminal
        self._lock = threading.Lock()
        self._shown = ""

    def advance(self, node: str, count: int) -> None:
        """Note that more bytes have gone to a node."""
        with self._lock:
            self._sent[node] += count
            self._show(self.line())

    def line(self) -> str:
        """Return how far all nodes are."""
        return "  ".join(f"{node} {min(100, sent * 100 // self._whole)}%" for node, sent in self._sent.items())

    def say(self, text: str, *, err: bool = False) -> None:
        """Print a line of its own."""
        with self._lock:
            self._show("")
            click.echo(text, err=err)
            self._show(self.line())

    def end(self) -> None:
        """Take the line away."""
        with self._lock:
            self._show("")
            self._terminal = False

    def _show(self, line: str) -> None:
        if not self._terminal or line == self._shown:
            return
        width = max(len(self._shown), len(line))
        click.echo("\r" + line.ljust(width) + ("" if line else "\r"), err=True, nl=False)
        self._shown = line
