"""What the card keeps of Secrets and tokens (nothing), and what an agent knows after a restart and after a reboot."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from edge.agent import mounting
from edge.agent.checkpoint import Checkpoint
from edge.agent.desired import Known
from edge.api import core
from edge.bus import messages, topics
from tests.fakes.node import FakeNode, pod

PASSWORD, TOKEN = "correct-horse-battery", "ey.token-of-the-pod"
ENCODED = base64.b64encode(PASSWORD.encode()).decode()
SECRETS = {"s": core.Secret(data={"k": ENCODED})}
TOKENS = (messages.PodToken("", 3607, TOKEN),)
SECRET_VOLUME = core.Volume(name="hidden", secret=core.SecretVolumeSource(secret_name="s"))
ACCOUNT_VOLUME = core.Volume(name="kube-api-access-abcde", projected=core.ProjectedVolumeSource(sources=(
    core.VolumeProjection(service_account_token=core.ServiceAccountTokenProjection(
        path="token", expiration_seconds=3607)),)))


def known(revision: str = "1", **more: object) -> Known:
    wanted = messages.DesiredPod(revision=revision, pod=pod(), secrets=SECRETS, tokens=TOKENS,
                                 **more)  # type: ignore[arg-type]
    return Known(index=messages.DesiredIndex(epoch="e", pods=(messages.PodRef("uid-1", revision),)),
                 pods={"uid-1": wanted})


def found(directory: Path) -> set[str]:
    """Return which of the secret words are anywhere below a directory."""
    texts = [path.read_bytes() for path in directory.rglob("*") if path.is_file()]
    return {word for word in (PASSWORD, ENCODED, TOKEN) if any(word.encode() in text for text in texts)}


# The files.

def test_the_card_keeps_neither_secrets_nor_tokens(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "card", tmp_path / "run").save(known())
    Checkpoint(tmp_path / "card", tmp_path / "run").save(known("2"))
    assert found(tmp_path / "card") == set()
    assert found(tmp_path / "run") == {ENCODED, TOKEN}
    assert (tmp_path / "run/secrets.json").stat().st_mode & 0o777 == 0o600


def test_a_restart_loses_nothing_and_a_reboot_says_what_is_lost(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "card", tmp_path / "run").save(known(service_account_token="old"))
    assert Checkpoint(tmp_path / "card", tmp_path / "run").load() == known(service_account_token="old")
    shutil.rmtree(tmp_path / "run")
    after = Checkpoint(tmp_path / "card", tmp_path / "run").load().pods["uid-1"]
    assert after.withheld == messages.Withheld(secrets=("s",), account=True)
    assert (after.secrets, after.tokens, after.service_account_token) == ({}, (), "")
    assert after.revision == "1"


def test_what_is_known_from_the_card_alone_is_saved_as_it_is(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "card", tmp_path / "run").save(known())
    shutil.rmtree(tmp_path / "run")
    again = Checkpoint(tmp_path / "card", tmp_path / "run")
    assert not again.save(again.load())
    assert not again.save(known())
    assert Checkpoint(tmp_path / "card", tmp_path / "run").load() == known()


def test_a_renewed_token_writes_nothing_to_the_card(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "card", tmp_path / "run")
    assert checkpoint.save(known())
    renewed = replace(known(), pods={"uid-1": msgspec.structs.replace(
        known().pods["uid-1"], tokens=(messages.PodToken("", 3607, "newer"),))})
    assert not checkpoint.save(renewed)
    assert Checkpoint(tmp_path / "card", tmp_path / "run").load() == renewed


def test_a_card_that_cannot_be_written_still_finds_its_secrets(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "card", tmp_path / "run")
    checkpoint.save(known())
    (tmp_path / "card/desired.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        checkpoint.save(known("2"))
    assert Checkpoint(tmp_path / "card", tmp_path / "run").load() == known()


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff", b'{"uid-1": [{"revision": 3}]}', b'{"uid-1": [{}]}'])
def test_damaged_memory_is_like_a_reboot_and_says_no_secret(tmp_path: Path, damage: bytes,
                                                           capfd: pytest.CaptureFixture[str]) -> None:
    Checkpoint(tmp_path / "card", tmp_path / "run").save(known())
    (tmp_path / "run/secrets.json").write_bytes(damage)
    assert Checkpoint(tmp_path / "card", tmp_path / "run").load().pods["uid-1"].withheld is not None
    assert ENCODED not in "".join(capfd.readouterr())


def test_what_an_older_agent_left_on_the_card_is_used_once_and_wiped(tmp_path: Path) -> None:
    card = tmp_path / "card"
    old = Checkpoint(card, secrets_on_card=True)
    old.save(known())
    old.save(known("2"))
    assert found(card) == {ENCODED}
    fresh = Checkpoint(card, tmp_path / "run")
    assert fresh.load().pods["uid-1"].secrets == SECRETS
    assert fresh.tainted
    assert fresh.save(known("2"))
    assert not fresh.tainted
    assert found(card) == set()
    assert Checkpoint(card, tmp_path / "run").load() == known("2")


def test_only_the_file_before_holds_a_secret(tmp_path: Path) -> None:
    card = tmp_path / "card"
    Checkpoint(card, secrets_on_card=True).save(known())
    plain = replace(known(), pods={})
    Checkpoint(card, secrets_on_card=True).save(plain)
    assert found(card) == {ENCODED}
    fresh = Checkpoint(card, tmp_path / "run")
    fresh.load()
    assert fresh.save(plain)
    assert found(card) == set()


def test_a_rack_may_keep_its_secrets_on_the_card_but_never_tokens(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "card", tmp_path / "run", secrets_on_card=True).save(known())
    shutil.rmtree(tmp_path / "run")
    again = Checkpoint(tmp_path / "card", tmp_path / "run", secrets_on_card=True)
    assert again.load().pods["uid-1"].secrets == SECRETS
    assert not again.tainted
    assert found(tmp_path / "card") == {ENCODED}


# The agent.

@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[FakeNode]:
    made = FakeNode(tmp_path)
    await made.serve()
    yield made
    await made.stop()


@pytest.fixture(autouse=True)
def unmounted(tmp_path: Path) -> Iterator[None]:
    yield
    if os.geteuid() == 0:
        mounting.unmount_below(str(tmp_path))


def spec(name: str, *volumes: core.Volume) -> core.PodSpec:
    container = core.Container(name=name, image="busybox:1", image_pull_policy="IfNotPresent", volume_mounts=tuple(
        core.VolumeMount(name=volume.name, mount_path=f"/v/{volume.name}") for volume in volumes))
    return core.PodSpec(containers=(container,), volumes=volumes, restart_policy="Always", node_name="node-1")


async def both(node: FakeNode) -> None:
    """Run a pod that needs a Secret and one that needs none."""
    await node.want(pod("secretive", "uid-1", spec=spec("secretive", SECRET_VOLUME)), secrets=SECRETS)
    await node.want(pod("open", "uid-2", spec=spec("open", ACCOUNT_VOLUME)), tokens=TOKENS)
    await node.start()
    await node.until(lambda: node.ready("uid-1") and node.ready("uid-2"))
    await node.pass_time(5)


def reboot(node: FakeNode, directory: Path) -> None:
    """Lose what is in memory: processes, namespaces and the tmpfs."""
    mounting.unmount_below(str(directory))
    shutil.rmtree(directory / "run")
    node.runtime.containers.clear()
    node.network.attached.clear()


async def test_an_agent_without_its_master_goes_on_with_secrets(node: FakeNode, tmp_path: Path) -> None:
    await both(node)
    await node.stop()
    node.broker.retained.clear()
    node.runtime.containers.clear()
    await node.start()
    await node.until(lambda: {c.name for c in node.runtime.containers.values()} == {"secretive", "open"})
    assert (tmp_path / "run/pods/uid-1/hidden/k").read_text() == PASSWORD
    assert (tmp_path / "run/pods/uid-2/kube-api-access-abcde/token").read_text() == TOKEN
    assert found(tmp_path / "data") == set()


async def test_after_a_reboot_without_master_only_pods_that_need_secrets_wait(node: FakeNode, tmp_path: Path) -> None:
    await both(node)
    await node.stop()
    retained = dict(node.broker.retained)
    node.broker.retained.clear()
    reboot(node, tmp_path)
    await node.start()
    await node.until(lambda: {c.name for c in node.runtime.containers.values()} == {"open"})
    assert not (tmp_path / "run/pods/uid-2/kube-api-access-abcde/token").exists()
    await node.until(lambda: ("FailedMount", 'MountVolume.SetUp failed for volume "hidden" : secret "s" is not kept on '
                              "the card of this node: waiting for the API server") in node.events())
    await node.pass_time(20)
    assert [c.name for c in node.runtime.containers.values()] == ["open"]
    node.broker.retained.update({topic: payload for topic, payload in retained.items() if "/reported/" not in topic})
    await node.serve()
    await node.until(lambda: {c.name for c in node.runtime.containers.values()} == {"secretive", "open"})
    await node.until((tmp_path / "run/pods/uid-2/kube-api-access-abcde/token").exists)
    assert topics.desired_index("node-1") in node.broker.retained


async def test_a_renewed_token_reaches_its_file_and_an_unknown_one_leaves_it(node: FakeNode, tmp_path: Path) -> None:
    await both(node)
    path, containers = tmp_path / "run/pods/uid-2/kube-api-access-abcde/token", dict(node.runtime.containers)
    await node.want(node.pods["uid-2"].pod, tokens=(messages.PodToken("", 3607, "newer"),))
    await node.until(lambda: path.read_text() == "newer")
    await node.want(node.pods["uid-2"].pod, tokens=())
    await node.until(lambda: any("failed to fetch token" in text for _, text in node.events()))
    assert path.read_text() == "newer"
    assert node.runtime.containers == containers


async def test_a_config_map_that_disappears_keeps_its_last_files_and_starts_no_new_pod(node: FakeNode,
                                                                                      tmp_path: Path) -> None:
    volume = core.Volume(name="config", config_map=core.ConfigMapVolumeSource(name="m"))
    made = pod("web", "uid-1", spec=spec("web", volume))
    await node.want(made, config_maps={"m": core.ConfigMap(data={"a": "1"})})
    await node.start()
    await node.until(lambda: node.ready("uid-1"))
    await node.want(made, revision="2")
    await node.until(lambda: ("FailedMount", 'MountVolume.SetUp failed for volume "config" : configmap "m" not found')
                     in node.events())
    assert (tmp_path / "data/pods/uid-1/volumes/config/a").read_text() == "1"
    node.runtime.exit("web", 1)
    await node.until(lambda: node.runtime.by_name("web").attempt == 1)
    await node.want(pod("late", "uid-2", spec=spec("late", volume)))
    await node.pass_time(20)
    assert [c.name for c in node.runtime.containers.values() if c.name == "late"] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="binds need root")
async def test_a_path_inside_a_volume_stays_as_it_was_until_the_container_starts_anew(node: FakeNode,
                                                                                     tmp_path: Path) -> None:
    volume = core.Volume(name="config", config_map=core.ConfigMapVolumeSource(name="m"))
    whole = spec("web", volume)
    mount = core.VolumeMount(name="config", mount_path="/one", sub_path="a")
    made = pod("web", "uid-1", spec=msgspec.structs.replace(whole, containers=(
        msgspec.structs.replace(whole.containers[0], volume_mounts=(mount,)),)))
    await node.want(made, config_maps={"m": core.ConfigMap(data={"a": "1"})})
    await node.start()
    await node.until(lambda: node.ready("uid-1"))
    bound = tmp_path / "run/pods/uid-1/_subpaths/config/web/0"
    assert bound.read_text() == "1"
    await node.want(made, revision="2", config_maps={"m": core.ConfigMap(data={"a": "2"})})
    await node.until(lambda: (tmp_path / "data/pods/uid-1/volumes/config/a").read_text() == "2")
    assert bound.read_text() == "1"
    node.runtime.exit("web", 1)
    await node.until(lambda: node.runtime.by_name("web").attempt == 1)
    assert bound.read_text() == "2"
    node.pods.clear()
    await node.serve()
    await node.until(lambda: not (tmp_path / "run/pods/uid-1").exists())
    assert not [point for point in mounting.mount_points() if str(tmp_path) in point]


@pytest.mark.skipif(os.geteuid() != 0, reason="binds need root")
async def test_a_path_that_leads_out_holds_the_container_back(node: FakeNode, tmp_path: Path) -> None:
    volume = core.Volume(name="host", host_path=core.HostPathVolumeSource(path=str(tmp_path / "host")))
    whole = spec("web", volume)
    mount = core.VolumeMount(name="host", mount_path="/one", sub_path="out/x")
    made = pod("web", "uid-1", spec=msgspec.structs.replace(whole, containers=(
        msgspec.structs.replace(whole.containers[0], volume_mounts=(mount,)),)))
    (tmp_path / "host").mkdir()
    (tmp_path / "host/out").symlink_to("/")
    await node.want(made)
    await node.start()
    await node.until(lambda: [each.state.waiting.reason for each in node.status().container_statuses
                              if each.state.waiting is not None] == ["CreateContainerConfigError"])
    assert any(text.startswith('Error: failed to prepare subPath for volumeMount "host" of container "web"')
               for _, text in node.events())
    assert not node.runtime.containers
