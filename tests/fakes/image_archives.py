"""Small image archives, as Docker and OCI tools write them."""

from __future__ import annotations

import io
import json
import tarfile
from hashlib import sha256
from pathlib import Path

CONFIG = json.dumps({"architecture": "arm64", "os": "linux"}).encode()
ID = sha256(CONFIG).hexdigest()
LAYER = b"{" + b"x" * 10_000


def packed(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    """Write files into a tar and return its path."""
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def docker(*names: str, config: str = "config.json") -> dict[str, bytes]:
    """Return the files of what `docker save` makes."""
    manifest = [{"Config": config, "RepoTags": list(names) or None, "Layers": ["a/layer.tar"]}]
    return {"a/layer.tar": LAYER, config: CONFIG, "manifest.json": json.dumps(manifest).encode()}


def oci(annotations: dict[str, str], *, listed: bool = False) -> dict[str, bytes]:
    """Return the files of an OCI archive; `listed`: of a list of images for several machines."""
    def blob(content: bytes) -> tuple[str, str]:
        digest = sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return f"sha256:{digest}", digest

    blobs: dict[str, bytes] = {}
    config, _ = blob(CONFIG)
    manifest, _ = blob(json.dumps({"config": {"digest": config}, "layers": []}).encode())
    if listed:
        manifest, _ = blob(json.dumps({"manifests": [{"digest": manifest}]}).encode())
    index = {"manifests": [{"digest": manifest, "annotations": annotations}]}
    return {**blobs, "index.json": json.dumps(index).encode(), "oci-layout": b"{}"}
