"""Effects: looks at the board this node runs on: which devices are plugged in, and how it fares.

Only what is in memory is read, and nothing is looked at on a machine that is no board of the kind. The firmware's own
program is asked rarely, and only where the kernel does not tell the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from edge import logs
from edge.agent import board_facts, device_listing, devices
from edge.agent.board_facts import Health, Reading
from edge.agent.device_claims import Claims
from edge.agent.device_listing import IsDevice
from edge.agent.devices import Rule
from edge.agent.facts import Facts
from edge.agent.reporter import Reporter
from edge.clock import Clock

LOOK_SECONDS = 5.0
SETTLING_LOOKS = 3
"""After a change the nodes' groups and names may still change without a trace in their directory."""
REREAD_LOOKS = 12
HEALTH_LOOKS = 6
PROGRAM_LOOKS = 60
PROGRAM_SECONDS = 5.0
PROGRAM = "vcgencmd"
_FIRMWARE = ("sys/devices/platform/soc*/soc*:firmware/get_throttled",
             "sys/devices/platform/axi*/soc*:firmware/get_throttled")

log = logs.get("agent.board")


class Board:
    """The board as it is. `changed` is called when other devices are there, after `claims` was told."""

    def __init__(self, given: Iterable[Rule], claims: Claims, reporter: Reporter, clock: Clock, *,
                 changed: Callable[[], None], root: Path = Path("/"), is_device: IsDevice = device_listing.is_device,
                 find_program: Callable[[str], str | None] = shutil.which) -> None:
        self._rules = devices.rules(given)
        self._patterns = devices.patterns(self._rules)
        self._claims, self._reporter, self._clock, self._changed = claims, reporter, clock, changed
        self._root, self._is_device = root, is_device
        self._seen: tuple[tuple[str, int], ...] = ()
        self._settling = 0
        self._looks = 0
        self._health = Health()
        identity = device_listing.identity(root)
        self._labels = board_facts.labels(identity)
        self._thermal, self._firmware, self._alarm = self._sources() if self._labels else (None, None, None)
        self._program = find_program(PROGRAM) if self._labels and self._firmware is None else None
        claims.resources = frozenset(rule.resource for rule in self._rules)
        self._read_devices()

    def facts(self) -> Facts:
        """Return the board's devices, labels and conditions."""
        return Facts(capacity=devices.capacity(self._claims.offers), labels=self._labels,
                     conditions=board_facts.conditions(self._health))

    async def run(self) -> None:
        """Look every few seconds."""
        while True:
            if self.look_at_devices():
                self._changed()
            if self._labels and self._looks % HEALTH_LOOKS == 0:
                await self.look_at_health(ask_program=self._looks % PROGRAM_LOOKS == 0)
            self._looks += 1
            await self._clock.sleep(LOOK_SECONDS)

    def look_at_devices(self) -> bool:
        """Read the devices if they may have changed; return whether they have."""
        seen = device_listing.changes_of(self._root, self._patterns)
        if seen != self._seen:
            self._seen, self._settling = seen, SETTLING_LOOKS
        if not self._settling and self._looks % REREAD_LOOKS:
            return False
        self._settling = max(0, self._settling - 1)
        return self._read_devices()

    def _read_devices(self) -> bool:
        listing = device_listing.read(self._root, self._patterns, self._is_device)
        offers = devices.offers(listing, self._rules)
        before, self._claims.offers = self._claims.offers, offers
        if offers == before:
            return False
        log.info("devices", **{name.rpartition("/")[2]: " ".join(unit.name for unit in units)
                               for name, units in offers.items()})
        return True

    async def look_at_health(self, *, ask_program: bool) -> None:
        """Measure, and tell what is new."""
        reading = Reading(
            throttled=board_facts.throttled_word(device_listing.text(self._firmware)) if self._firmware else None,
            under_voltage=device_listing.text(self._alarm) == "1" if self._alarm else None,
            millidegrees=_number(device_listing.text(self._thermal)) if self._thermal else None)
        if self._program and ask_program:
            reading = Reading(throttled=board_facts.throttled_word(await self._ask("get_throttled")),
                              under_voltage=reading.under_voltage, millidegrees=reading.millidegrees if
                              reading.millidegrees is not None else
                              board_facts.vcgencmd_degrees(await self._ask("measure_temp")))
        self._health, news = board_facts.observe(self._health, reading, self._clock.monotonic())
        for each in news:
            self._reporter.event(None, reason=each.reason, message=each.message, type=each.type)

    def _sources(self) -> tuple[Path | None, Path | None, Path | None]:
        """Return the files that tell the temperature, the firmware's word and the alarm of the power supply."""
        zones = sorted(self._root.glob("sys/class/thermal/thermal_zone*"))
        chip = next((zone for zone in zones if "cpu" in device_listing.text(zone / "type")), next(iter(zones), None))
        words = [path for pattern in _FIRMWARE for path in self._root.glob(pattern)]
        alarms = [entry / "in0_lcrit_alarm" for entry in self._root.glob("sys/class/hwmon/hwmon*")
                  if device_listing.text(entry / "name") == "rpi_volt"]
        return chip / "temp" if chip else None, next(iter(words), None), next(iter(alarms), None)

    async def _ask(self, question: str) -> str:
        """Ask the firmware's own program; empty when it cannot tell in time, and then it is asked no more."""
        if self._program is None:
            return ""
        child = None
        try:
            async with asyncio.timeout(PROGRAM_SECONDS):
                child = await asyncio.create_subprocess_exec(self._program, question, stdin=asyncio.subprocess.DEVNULL,
                                                             stdout=asyncio.subprocess.PIPE,
                                                             stderr=asyncio.subprocess.DEVNULL)
                output, _ = await child.communicate()
        except (OSError, TimeoutError) as error:
            log.info("the firmware's program does not answer", question=question, reason=error)
            self._program = None
            return ""
        finally:
            if child is not None and child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
        return output.decode(errors="replace")


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
