"""Shows each step of a long piece of work with its time while it runs, and waits for conditions within a bound."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge.lab.host import LabError

POLL_SECONDS = 0.1


class Steps:
    """Prints `name ... detail  1.2 s`. On a terminal the line of the running step counts its seconds."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._live = sys.stdout.isatty()
        self._name = ""
        self._step_began = 0.0
        self._detail = ""

    @contextmanager
    def step(self, name: str) -> Iterator[Steps]:
        """Run one step; its line is complete when it ends, also when it fails."""
        self._name, self._detail, self._step_began = name, "", time.monotonic()
        self.tick()
        try:
            yield self
        except BaseException:
            self._finish("failed")
            raise
        self._finish("ok")

    def note(self, detail: str) -> None:
        """Say what the step found or is waiting for."""
        self._detail = detail
        self.tick()

    def tick(self) -> None:
        """Show on a terminal that time goes on."""
        if self._live:
            sys.stdout.write(f"\r\x1b[K  ..    {self._line()}")
            sys.stdout.flush()

    def until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait until the condition holds.

        Raises:
            LabError: it did not within `seconds`; `what` ends the sentence.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise LabError(f"after {seconds:.0f} s {what}")
            time.sleep(POLL_SECONDS)
            self.tick()

    def total_seconds(self) -> float:
        return time.monotonic() - self._began

    def _finish(self, result: str) -> None:
        if self._live:
            sys.stdout.write("\r\x1b[K")
        print(f"  {result:<6}{self._line()}", flush=True)

    def _line(self) -> str:
        text = f"{self._name}: {self._detail}" if self._detail else self._name
        return f"{text:<78} {time.monotonic() - self._step_began:6.1f} s"
