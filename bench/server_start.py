"""How long edge-server takes to be ready, and what it takes of memory then; no lab needed.

    python -m bench.server_start [--rounds 5]

Starts the real program with a real broker and a store in a temporary folder. The first start makes the objects no
cluster is without; the others find them, as after a power cut. Memory is read a few seconds after the last start: PSS
shares what other Python processes have mapped as well, private memory is what this one has for itself.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

from bench import report
from tests.fakes.broker import Mosquitto

BUDGET_SECONDS, BUDGET_PSS_MIB = 1.0, 76.0
SETTLE_SECONDS = 5.0
PORT = 16443
SETTINGS = """
data_dir = "{folder}/data"
pki_dir = "{folder}/pki"
listen = "127.0.0.1"
port = {port}
advertise_address = "127.0.0.1"
discovery.enabled = false
bus.port = {bus}
audit.path = "{folder}/audit.log"
"""


async def until_ready(context: ssl.SSLContext) -> None:
    """Ask until the API says that it is ready, over a new connection each time."""
    async with asyncio.timeout(30), aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, force_close=True)) as http:
        while True:
            try:
                async with http.get(f"https://localhost:{PORT}/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectorError:
                pass
            await asyncio.sleep(0.005)


def memory_mib(pid: int) -> dict[str, float]:
    """Return the sizes of a process by the kernel's names for them."""
    return {line.split(":")[0]: int(line.split()[1]) / 1024
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]}


def cpu_seconds(pid: int) -> float:
    """Return the processor time a process and its children have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def one_start(config: Path, context: ssl.SSLContext, settle: float) -> tuple[float, float, dict[str, float]]:
    """Start the server once; return the seconds until it was ready, its processor time and its memory."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "edge.server.main", "--config", str(config),
                                "--log-level", "error"])
    try:
        asyncio.run(until_ready(context))
        took, used = time.perf_counter() - began, cpu_seconds(process.pid)
        time.sleep(settle)
        return took, used, memory_mib(process.pid)
    finally:
        process.terminate()
        process.wait(20)


def main() -> None:
    """Start it some times and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = Mosquitto(folder / "pki")
        broker.start()
        try:
            config = folder / "server.toml"
            config.write_text(SETTINGS.format(folder=folder, port=PORT, bus=broker.port))
            context = ssl.create_default_context(cafile=str(folder / "pki" / "ca.crt"))
            first = one_start(config, context, 0)
            others = [one_start(config, context, SETTLE_SECONDS if left == 0 else 0)
                      for left in reversed(range(rounds))]
        finally:
            broker.kill()
    print(report.machine())
    seconds = [took for took, _, _ in others]
    low, middle, high = report.spread(seconds)
    report.table(("ms", "min", "median", "max", "budget", ""), [
        ("first start to ready", f"{first[0] * 1e3:.1f}", "", "", "", ""),
        ("start to ready", low, middle, high, f"{BUDGET_SECONDS * 1e3:.0f}",
         report.verdict(float(middle) / 1e3, BUDGET_SECONDS)),
        ("processor time until then", *report.spread([used for _, used, _ in others]), "", "")])
    sizes = others[-1][2]
    report.table(("MiB", "PSS", "RSS", "private", "budget PSS", ""), [
        ("fresh", f"{sizes['Pss']:.1f}", f"{sizes['Rss']:.1f}",
         f"{sizes['Private_Dirty'] + sizes['Private_Clean']:.1f}", f"{BUDGET_PSS_MIB:.0f}",
         report.verdict(sizes["Pss"], BUDGET_PSS_MIB))])


if __name__ == "__main__":
    main()
