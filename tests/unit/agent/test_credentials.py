"""Which credentials fit an image."""

from __future__ import annotations

import base64
import json

import pytest

from edge.agent import credentials
from edge.api import core, meta
from edge.runtime.containers import Credentials


def encoded(content: object) -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    return base64.b64encode(text.encode()).decode()


def secret(content: object, *, old: bool = False, type: str = "") -> core.Secret:
    key = ".dockercfg" if old else ".dockerconfigjson"
    return core.Secret(metadata=meta.ObjectMeta(name="s"), type=type, data={key: encoded(content)})


def auths(**users: str) -> core.Secret:
    return secret({"auths": {host: {"username": user, "password": "p"} for host, user in users.items()}})


def users(image: str, *secrets: core.Secret) -> list[str]:
    return [found.username for found in credentials.find(secrets, image)]


@pytest.mark.parametrize(("key", "image", "fits"), [
    ("registry.example.com", "registry.example.com/app:1", True),
    ("https://registry.example.com", "registry.example.com/app", True),
    ("https://registry.example.com/v2/", "registry.example.com/app", True),
    ("http://registry.example.com/v1/", "registry.example.com/a/b@sha256:" + "a" * 64, True),
    ("registry.example.com", "registry.example.com:5000/app", False),
    ("registry.example.com:5000", "registry.example.com:5000/app", True),
    ("registry.example.com:5000", "registry.example.com/app", False),
    ("registry.example.com/team", "registry.example.com/team/app:1", True),
    ("registry.example.com/team", "registry.example.com/other/app", False),
    ("*.example.com", "registry.example.com/app", True),
    ("*.example.com", "a.b.example.com/app", False),
    ("*.example.com", "example.com/app", False),
    ("*.*.com", "registry.example.com/app", True),
    ("reg*.example.com:5000", "registry.example.com:5000/app", True),
    ("*", "registry.example.com/app", False),
    ("docker.io", "app:1", True),
    ("https://index.docker.io/v1/", "app:1", True),
    ("https://index.docker.io/v1/", "team/app", True),
    ("registry-1.docker.io", "docker.io/team/app", True),
    ("docker.io/team", "team/app", True),
    ("docker.io/team", "other/app", False),
    ("index.docker.io", "quay.io/app", False),
    ("localhost:5000", "localhost:5000/app", True),
    ("10.0.0.1:5000", "10.0.0.1:5000/app", True),
    ("", "app", False)])
def test_which_registry_a_key_is_for(key: str, image: str, fits: bool) -> None:
    assert bool(users(image, auths(**{key: "u"}))) == fits


def test_the_most_specific_key_comes_first_and_all_that_fit_come() -> None:
    wide, narrow = auths(**{"*.example.com": "wide", "r.example.com": "host"}), auths(**{"r.example.com/team": "team"})
    assert users("r.example.com/team/app", wide, narrow) == ["team", "host", "wide"]
    assert users("r.example.com/app", wide, narrow) == ["host", "wide"]
    assert users("r.example.com/app", wide, auths(**{"r.example.com": "second"}), wide) == ["host", "second", "wide"]


def test_both_shapes_and_both_ways_to_write_a_password() -> None:
    entry = {"username": "u", "password": "p:q"}
    assert credentials.find([secret({"auths": {"r.io": entry}})], "r.io/a") == (Credentials("u", "p:q"),)
    assert credentials.find([secret({"r.io": entry}, old=True)], "r.io/a") == (Credentials("u", "p:q"),)
    for auth in (encoded("u:p:q"), encoded("u:p:q").rstrip("=")):
        assert credentials.find([secret({"auths": {"r.io": {"auth": auth}}})], "r.io/a") == (Credentials("u", "p:q"),)


def test_the_type_of_a_secret_says_which_shape_counts() -> None:
    entry = {"r.io": {"username": "u", "password": "p"}}
    assert users("r.io/a", secret({"auths": entry}, type="kubernetes.io/dockerconfigjson")) == ["u"]
    assert users("r.io/a", secret(entry, old=True, type="kubernetes.io/dockercfg")) == ["u"]
    assert users("r.io/a", secret({"auths": entry}, type="Opaque")) == []
    assert users("r.io/a", secret(entry, old=True, type="kubernetes.io/dockerconfigjson")) == []


@pytest.mark.parametrize("content", [
    "no json", "[]", {"auths": []}, {"auths": {"r.io": "text"}}, {"auths": {"r.io": {}}}, {},
    {"auths": {"r.io": {"auth": "%%%"}}}, {"auths": {"r.io": {"auth": encoded("nobody")}}},
    {"auths": {"r.io": {"auth": base64.b64encode(b"\xff:\xff").decode()}}}, {"auths": {"[": {"username": "u"}}}])
def test_what_cannot_be_read_is_passed_over(content: object) -> None:
    good = auths(**{"r.io": "u"})
    assert users("r.io/a", secret(content), good) == ["u"]


def test_an_image_that_is_none_has_no_credentials() -> None:
    assert users("NOT AN IMAGE", auths(**{"docker.io": "u"})) == []


def test_missing_secrets_are_named_once() -> None:
    spec = core.PodSpec(image_pull_secrets=tuple(meta.LocalObjectReference(name=name) for name in "abac"))
    assert credentials.missing(core.Pod(spec=spec), {"b"}) == ("a", "c")


def test_a_secret_that_is_nested_without_end_is_passed_over() -> None:
    deep = secret('{"auths": {}, "x": ' + "[" * 200_000)
    assert users("registry.example.com/app", deep, auths(**{"registry.example.com": "me"})) == ["me"]
