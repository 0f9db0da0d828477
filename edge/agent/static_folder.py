"""Effects: watches the folder of static pods, and has the node run what is in it, also without a master.

Looking costs a few calls that are answered from memory; a file is read, by a child process, only when it is another
one than before and has been left alone for a moment. What was read is kept on the tmpfs, so that an agent that starts
anew goes on with it at once.
"""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec

from edge import logs
from edge.agent import static_choice
from edge.agent.pods import Pods
from edge.agent.reporter import Reporter
from edge.agent.static_choice import UNREAD, Manifest, Stamp
from edge.api import core
from edge.bus import messages
from edge.clock import Clock

LOOK_SECONDS = 3.0
SETTLE_SECONDS = 1.0
READING_SECONDS = 60.0
RETRY_SECONDS = 60.0
MOST_SEEN = 1000
"""Files that are looked at."""

log = logs.get("agent.static")


class ReadingFailure(Exception):
    """The process that reads manifests failed."""


Read = Callable[[str, Sequence[str]], Awaitable[list[Manifest]]]
"""Given the node's name and paths, return what the files hold. Raises ReadingFailure."""


async def read_apart(node: str, paths: Sequence[str]) -> list[Manifest]:
    """Read files in a child process. Raises ReadingFailure."""
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "edge.agent.static_reading", node, *paths, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
    except OSError as error:
        raise ReadingFailure(f"no process can be started to read it: {error}") from error
    try:
        async with asyncio.timeout(READING_SECONDS):
            output, _ = await child.communicate()
        return msgspec.json.decode(output, type=list[Manifest])
    except TimeoutError as error:
        raise ReadingFailure(f"it took more than {READING_SECONDS:.0f} s") from error
    except msgspec.DecodeError as error:
        raise ReadingFailure(f"the process that read it ended with {child.returncode}") from error
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


class StaticFolder:
    """The static pods of one node. Without a folder there are none."""

    def __init__(self, folder: Path | None, node: str, run_dir: Path, pods: Pods, reporter: Reporter, clock: Clock,
                 read: Read = read_apart) -> None:
        self._folder, self._node, self._pods, self._reporter, self._clock = folder, node, pods, reporter, clock
        self._read, self._memory = read, run_dir / "static.json"
        self._manifests: tuple[Manifest, ...] = ()
        self._chosen_from: tuple[Manifest, ...] = ()
        self._choice = static_choice.chosen(())
        self._before: dict[str, Stamp] = {}
        self._retry_at: dict[tuple[str, Stamp], float] = {}
        """When a file is read again on which the reader failed."""
        self._running: dict[str, messages.DesiredPod] = {}
        self._shown: dict[str, core.Pod] = {}
        """By uid, what the server hears of: what runs, and what is still ending."""
        self._said: set[tuple[str, str]] = set()
        self._folder_problem = ""
        self.known = asyncio.Event()
        """Set once the folder has been read: before that nothing that runs on the node may be taken for unwanted."""

    async def run(self) -> None:
        """Look until cancelled."""
        self._manifests = _remembered(self._memory)
        while True:
            settled = await self.look()
            self.known.set()
            if self._folder is None:
                await asyncio.Event().wait()
            await self._clock.sleep(LOOK_SECONDS if settled else SETTLE_SECONDS)

    async def look(self) -> bool:
        """Look once; return whether all is as it shall be."""
        stamps = self._scan()
        settled = True
        if stamps is not None:
            paths = self._due(stamps)
            # Who writes a file is given time to end, but for the first look: pods may be waiting for it.
            ready = [path for path in paths if self._before.get(path) == stamps[path] or not self.known.is_set()]
            settled, self._before = len(ready) == len(paths), stamps
            if ready or len(stamps) < len(self._manifests):
                fresh = await self._read_all(ready, stamps) if ready else []
                self._manifests = static_choice.merged(self._manifests, fresh, stamps)
                await asyncio.to_thread(_remember, self._memory, self._manifests)
        return self._apply() and settled

    def _apply(self) -> bool:
        """Have the pods run; return whether none waits for another one's end."""
        choice = self._choice
        if self._chosen_from is not self._manifests:
            choice = self._choice = static_choice.chosen(self._manifests)
            self._chosen_from = self._manifests
            self._complain(choice)
        there = [pod for worker in self._pods.all() if (pod := worker.state.pod) is not None]
        running = static_choice.startable(choice, there)
        if running != self._running or not self.known.is_set():
            self._running = running
            self._pods.use_static(running)
        uids = {pod.metadata.uid for pod in there}
        shown = {uid: pod for uid, pod in self._shown.items() if uid in uids}
        shown |= {uid: desired.pod for uid, desired in running.items()}
        if shown != self._shown or not self.known.is_set():
            self._shown = shown
            self._reporter.static(tuple(shown[uid] for uid in sorted(shown)))
        return running.keys() == choice.pods.keys() == shown.keys()

    def _scan(self) -> dict[str, Stamp] | None:
        """Return the files of the folder; None while it cannot be read, which ends nothing."""
        if self._folder is None:
            return {}
        found: dict[str, Stamp] = {}
        try:
            with os.scandir(self._folder) as entries:
                for entry in sorted(entries, key=lambda each: each.name):
                    if not static_choice.is_manifest(entry.name) or len(found) >= MOST_SEEN:
                        continue
                    status = _status(entry)
                    if status is not None and not stat.S_ISDIR(status.st_mode):
                        found[entry.path] = Stamp(status.st_mtime_ns, status.st_size, status.st_ino)
        except FileNotFoundError:
            pass
        except OSError as error:
            if str(error) != self._folder_problem:
                log.warning("the folder of static pods cannot be read", reason=error)
            self._folder_problem = str(error)
            return None
        self._folder_problem = ""
        return found

    def _due(self, stamps: dict[str, Stamp]) -> tuple[str, ...]:
        now = self._clock.monotonic()
        self._retry_at = {key: at for key, at in self._retry_at.items() if stamps.get(key[0]) == key[1] and now < at}
        return tuple(path for path in static_choice.changed(self._manifests, stamps)
                     if (path, stamps[path]) not in self._retry_at)

    async def _read_all(self, paths: Sequence[str], stamps: dict[str, Stamp]) -> list[Manifest]:
        """Read files together; if that fails, one by one, so that only the one that is to blame is left out."""
        try:
            found = await self._read(self._node, paths)
            return [each if each.stamp != UNREAD else msgspec.structs.replace(each, stamp=stamps[each.path])
                    for each in found]
        except ReadingFailure as error:
            if len(paths) == 1:
                self._retry_at[paths[0], stamps[paths[0]]] = self._clock.monotonic() + RETRY_SECONDS
                return [Manifest(path=paths[0], stamp=UNREAD, problem=str(error))]
        return [manifest for path in paths for manifest in await self._read_all((path,), stamps)]

    def _complain(self, choice: static_choice.Choice) -> None:
        """Say once what is wrong with a file."""
        warnings = {(manifest.path, text) for manifest in self._manifests for text in manifest.warnings}
        problems = set(choice.problems.items())
        for path, text in sorted(problems - self._said):
            log.warning("not a static pod", path=path, reason=text)
            self._reporter.event(None, reason="InvalidStaticPod", type="Warning", message=f"{path}: {text}")
        for path, text in sorted(warnings - self._said):
            log.warning("static pod", path=path, warning=text)
        self._said = problems | warnings


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat()
    except OSError:
        return None  # Gone since, or a link to nothing.


def _remembered(path: Path) -> tuple[Manifest, ...]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Manifest, ...])
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("what was read of static pods is damaged", path=path, reason=error)
        return ()


def _remember(path: Path, manifests: tuple[Manifest, ...]) -> None:
    fresh = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(msgspec.json.encode(manifests))
        fresh.replace(path)
    except OSError as error:
        log.warning("what was read of static pods cannot be kept", path=path, reason=error)
