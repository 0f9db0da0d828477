"""What an image archive says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.edgectl import archives
from edge.edgectl.archives import ArchivedImage
from edge.edgectl.failures import CtlError
from tests.fakes.image_archives import ID, docker, oci, packed


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_docker_archive_compressed_or_not(tmp_path: Path, mode: str) -> None:
    path = packed(tmp_path / "a.tar", docker("hello:1", "localhost/hello"), mode)
    archive = archives.read(path, "a.tar")
    assert archive.images == (
        ArchivedImage(ID, ("docker.io/library/hello:1", "localhost/hello:latest"), "arm64"),)
    assert archive.size_bytes == path.stat().st_size


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_what_is_inside_a_compressed_archive(tmp_path: Path, mode: str) -> None:
    plain = packed(tmp_path / "a.tar", docker("hello:1"))
    inside = archives.unpacked(packed(tmp_path / "b", docker("hello:1"), mode))
    assert inside is not None
    with inside:
        assert inside.read() == plain.read_bytes()
    assert archives.unpacked(plain) is None


def test_an_archive_without_names_and_with_blobs(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.tar", docker(config="blobs/sha256/x"))
    assert archives.read(path, "a").images == (ArchivedImage(ID, (), "arm64"),)


@pytest.mark.parametrize(("annotations", "names"), [
    ({"org.opencontainers.image.ref.name": "localhost/hello:1"}, ("localhost/hello:1",)),
    ({"io.containerd.image.name": "docker.io/library/hello:1", "org.opencontainers.image.ref.name": "1"},
     ("docker.io/library/hello:1",)),
    ({"org.opencontainers.image.ref.name": "latest"}, ()), ({}, ())])
def test_an_oci_archive(tmp_path: Path, annotations: dict[str, str], names: tuple[str, ...]) -> None:
    path = packed(tmp_path / "a.tar", oci(annotations))
    assert archives.read(path, "a").images == (ArchivedImage(ID, names, "arm64"),)


def test_a_list_for_several_machines_is_left_to_the_nodes(tmp_path: Path) -> None:
    assert archives.read(packed(tmp_path / "a.tar", oci({}, listed=True)), "a").images == ()


@pytest.mark.parametrize("files", [
    {}, {"manifest.json": b"[{}]"}, {"manifest.json": b"{nothing"}, {"manifest.json": b'[{"Config": "gone.json"}]'},
    {"index.json": b"{}"}, {"index.json": b'{"manifests": [{"digest": "sha256:gone"}]}'},
    {"manifest.json": b'[{"Config": 7}]'}, {"manifest.json": b"[7]"},
    docker("NOT A NAME")])
def test_a_tar_that_is_no_image_archive(tmp_path: Path, files: dict[str, bytes]) -> None:
    with pytest.raises(CtlError, match=r"^odd\.tar: is no image archive"):
        archives.read(packed(tmp_path / "odd.tar", files), "odd.tar")


@pytest.mark.parametrize("content", [b"", b"this is no archive", b"\x28\xb5\x2f\xfd zstd", b"\x1f\x8b cut off"])
def test_a_file_that_is_no_tar(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd").write_bytes(content)
    with pytest.raises(CtlError, match="is no image archive"):
        archives.read(tmp_path / "odd", "odd")


def test_an_archive_that_is_cut_off(tmp_path: Path) -> None:
    whole = packed(tmp_path / "a.tar", docker("hello:1")).read_bytes()
    (tmp_path / "b.tar").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CtlError, match="is cut off"):
        archives.read(tmp_path / "b.tar", "b.tar")
