"""Secrets that get a token of their service account."""

from __future__ import annotations

import base64

from edge.api import core, meta
from edge.controllers import interface, plan, service_account_tokens
from edge.controllers.settings import Settings
from tests import builders
from tests.fakes.world import World

TYPE = "kubernetes.io/service-account-token"
KEY = interface.Key(core.Secret, "default", "s")
CONTROLLER = service_account_tokens.controller(Settings(
    root_ca_pem="CA", sign_secret=lambda secret, account: f"{account.metadata.uid}+{secret.metadata.uid}"))


def secret(kind: str = TYPE, **annotations: str) -> core.Secret:
    named = {f"kubernetes.io/service-account.{key}": value for key, value in annotations.items()}
    return core.Secret(type=kind, data={"own": "eA=="},
                       metadata=meta.ObjectMeta(name="s", namespace="default", uid="u", annotations=named))


def account(uid: str = "a") -> core.ServiceAccount:
    return core.ServiceAccount(metadata=builders.object_meta("robot", uid=uid))


def stored(world: World) -> core.Secret:
    found = world.get(core.Secret, "s", "default")
    assert found is not None
    return found


def test_a_secret_gets_token_authority_and_namespace() -> None:
    world = World(secret(name="robot"), account())
    world.settle((CONTROLLER, KEY))
    found = stored(world)
    assert {key: base64.b64decode(value).decode() for key, value in found.data.items()} == {
        "own": "x", "token": "a+u", "ca.crt": "CA", "namespace": "default"}
    assert found.metadata.annotations["kubernetes.io/service-account.uid"] == "a"
    assert world.run(CONTROLLER, KEY) == plan.Plan()


def test_what_somebody_changed_is_put_right() -> None:
    world = World(secret(name="robot"), account())
    world.settle((CONTROLLER, KEY))
    world.put(secret(name="robot"))
    world.settle((CONTROLLER, KEY))
    assert "token" in stored(world).data


def test_it_goes_with_its_account_and_does_not_pass_to_a_namesake() -> None:
    for world in (World(secret(name="robot", uid="a")), World(secret(name="robot", uid="a"), account("b"))):
        (action,) = world.run(CONTROLLER, KEY).actions
        assert isinstance(action, plan.Delete)


def test_an_account_that_is_not_seen_yet_is_waited_for_a_little() -> None:
    world = World(secret(name="robot"))
    assert world.run(CONTROLLER, KEY) == plan.Plan(requeue_after_seconds=2.0)
    world.tick(11)
    (action,) = world.run(CONTROLLER, KEY).actions
    assert isinstance(action, plan.Delete)


def test_other_secrets_are_left_alone() -> None:
    for other in (secret("Opaque", name="robot"), secret("Opaque")):
        assert World(other, account()).run(CONTROLLER, KEY) == plan.Plan()
    silent = service_account_tokens.controller(Settings())
    assert World(secret(name="robot"), account()).run(silent, KEY) == plan.Plan()


def test_a_change_of_an_account_concerns_its_secrets() -> None:
    world = World(secret(name="robot"), account())
    of_secret, of_account = CONTROLLER.sources
    assert list(of_secret.keys(secret(name="robot"), world)) == [KEY]
    assert list(of_secret.keys(secret("Opaque"), world)) == []
    assert list(of_account.keys(account(), world)) == [KEY]
