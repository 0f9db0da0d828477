"""What image names stand for."""

from __future__ import annotations

import pytest

from edge.runtime import references
from edge.runtime.containers import Image, InvalidImageName

DIGEST = "sha256:" + "a" * 64
HELLO = Image(id="1" * 64, names=("localhost/hello:latest",))
NGINX = Image(id="2" * 64, names=("docker.io/library/nginx:1.25",), digests=(f"docker.io/library/nginx@{DIGEST}",))


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("hello", "docker.io/library/hello:latest"),
        ("hello:1", "docker.io/library/hello:1"),
        ("me/hello", "docker.io/me/hello:latest"),
        ("docker.io/hello", "docker.io/library/hello:latest"),
        ("index.docker.io/me/hello:2", "docker.io/me/hello:2"),
        ("localhost/hello", "localhost/hello:latest"),
        ("10.0.0.1:5000/a/b", "10.0.0.1:5000/a/b:latest"),
        ("quay.io/a/b_c__d-e:v1.2", "quay.io/a/b_c__d-e:v1.2"),
        (f"nginx@{DIGEST}", f"docker.io/library/nginx@{DIGEST}"),
        (f"nginx:1@{DIGEST}", f"docker.io/library/nginx@{DIGEST}"),
    ],
)
def test_full_names(text: str, full: str) -> None:
    assert references.full_name(text) == full


@pytest.mark.parametrize("text", [
    "", "Hello", "a b", "hello:", ":1", "hello@", "hello@sha256:abc", "a//b", "/a", "a/", "-x", "a:b:c", "bad_host.x/a",
    "x" * 300, "a" * 100_000, "hello\n", "../etc",
])  # fmt: skip
def test_invalid_names(text: str) -> None:
    with pytest.raises(InvalidImageName):
        references.full_name(text)


@pytest.mark.parametrize(
    ("text", "image"),
    [("hello", HELLO), ("localhost/hello:latest", HELLO), ("docker.io/library/hello", None), ("hello:2", None),
     ("nginx:1.25", NGINX), (f"nginx@{DIGEST}", NGINX), ("nginx", None), ("2" * 64, NGINX),
     ("sha256:" + "1" * 64, HELLO)],
)  # fmt: skip
def test_find(text: str, image: Image | None) -> None:
    assert references.find(text, (HELLO, NGINX)) == image


def test_the_public_image_wins_over_the_local_one() -> None:
    public = Image(id="3" * 64, names=("docker.io/library/hello:latest",))
    assert references.find("hello", (HELLO, public)) == public
