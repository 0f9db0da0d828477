import base64

import pytest

from edge.agent import names, volumes
from edge.agent.surroundings import Surroundings
from edge.api import core, meta
from edge.bus import messages

AROUND = Surroundings(node_name="node-1", data_dir="/d", run_dir="/r", ca_pem="CA",
                      host_resolv_conf="nameserver 10.0.0.1\nsearch home\noptions edns0\n")


def desired(*made: core.Volume, mounts: tuple[core.VolumeMount, ...] = (), **more: object) -> messages.DesiredPod:
    spec = core.PodSpec(volumes=made, containers=(core.Container(name="c", volume_mounts=mounts),))
    pod = core.Pod(metadata=meta.ObjectMeta(name="p", namespace="default", uid="u"), spec=spec)
    return messages.DesiredPod(revision="1", pod=pod, **more)  # type: ignore[arg-type]


def test_a_config_map_with_items_and_modes() -> None:
    volume = core.Volume(name="v", config_map=core.ConfigMapVolumeSource(
        name="m", default_mode=0o400, items=(core.KeyToPath(key="a", path="x/a"),
                                             core.KeyToPath(key="b", path="b", mode=0o755))))
    tree = volumes.layout(desired(volume, config_maps={"m": core.ConfigMap(data={"a": "1", "b": "2", "c": "3"})}),
                          "1.2.3.4", AROUND).trees[0]
    assert tree.path == "/d/pods/u/volumes/v"
    assert tree.files == (volumes.File("x/a", b"1", 0o400), volumes.File("b", b"2", 0o755))


def test_secrets_stay_off_the_card() -> None:
    volume = core.Volume(name="v", secret=core.SecretVolumeSource(secret_name="s"))
    held = {"s": core.Secret(data={"k": base64.b64encode(b"x").decode()})}
    layout = volumes.layout(desired(volume, secrets=held), "1.2.3.4", AROUND)
    assert layout.trees[0].path == "/r/pods/u/v"
    assert "x" not in repr(layout.trees[0].files[0].content) or "content" not in repr(layout.trees[0])


@pytest.mark.parametrize(("source", "message"), [
    (core.Volume(name="v", secret=core.SecretVolumeSource(secret_name="s")),
     'MountVolume.SetUp failed for volume "v" : secret "s" not found'),
    (core.Volume(name="v", config_map=core.ConfigMapVolumeSource(name="m", items=(core.KeyToPath(key="k", path="p"),))),
     'MountVolume.SetUp failed for volume "v" : configmap "m" not found'),
    (core.Volume(name="v", config_map=core.ConfigMapVolumeSource(name="here",
                                                                 items=(core.KeyToPath(key="a", path="../a"),))),
     'MountVolume.SetUp failed for volume "v" : the path "../a" leads out of the volume'),
    (core.Volume(name="v"), 'MountVolume.SetUp failed for volume "v" : this kind is not supported'),
])
def test_what_cannot_be_made_is_said(source: core.Volume, message: str) -> None:
    with pytest.raises(volumes.NotReadyError) as caught:
        volumes.layout(desired(source, config_maps={"here": core.ConfigMap(data={"a": "1"})}), "1.2.3.4", AROUND)
    assert str(caught.value) == message


def test_optional_sources_may_be_missing() -> None:
    volume = core.Volume(name="v", config_map=core.ConfigMapVolumeSource(name="m", optional=True))
    assert volumes.layout(desired(volume), "1.2.3.4", AROUND).trees[0].files == ()


def test_mounts() -> None:
    wanted = desired(core.Volume(name="e", empty_dir=core.EmptyDirVolumeSource(medium="Memory", size_limit="1Mi")),
                     core.Volume(name="h", host_path=core.HostPathVolumeSource(path="/srv", type="Directory")),
                     mounts=(core.VolumeMount(name="e", mount_path="/e", sub_path="a/b"),
                             core.VolumeMount(name="h", mount_path="/h", read_only=True)),
                     service_account_token="t")
    layout = volumes.layout(wanted, "1.2.3.4", AROUND)
    assert layout.directories == (volumes.Directory("/d/pods/u/volumes/e", True, 1 << 20),
                                  volumes.Directory("/d/pods/u/volumes/e/a/b"))
    assert layout.host_paths == (volumes.HostPath("h", "/srv", "Directory"),)
    found = {mount.destination: mount for mount in volumes.mounts(wanted.pod.spec.containers[0], 0, wanted, {}, AROUND)}
    assert found["/e"].source == "/d/pods/u/volumes/e/a/b"
    assert (found["/h"].source, found["/h"].read_only) == ("/srv", True)
    assert found["/var/run/secrets/kubernetes.io/serviceaccount"].source == "/r/pods/u/kube-api-access"
    assert {"/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/dev/termination-log"} <= set(found)


def test_a_mount_must_stay_in_its_volume() -> None:
    wanted = desired(core.Volume(name="e", empty_dir=core.EmptyDirVolumeSource()),
                     mounts=(core.VolumeMount(name="e", mount_path="/e", sub_path="../../x"),))
    with pytest.raises(volumes.NotReadyError):
        volumes.mounts(wanted.pod.spec.containers[0], 0, wanted, {}, AROUND)


def test_resolv_conf_follows_the_policy() -> None:
    pod = desired().pod
    assert names.resolv_conf(pod, AROUND) == (
        "nameserver 10.96.0.10\nsearch default.svc.cluster.local svc.cluster.local cluster.local home\n"
        "options ndots:5\n")
    host = core.Pod(spec=core.PodSpec(host_network=True))
    assert names.resolv_conf(host, AROUND) == "nameserver 10.0.0.1\nsearch home\noptions edns0\n"
    own = core.Pod(spec=core.PodSpec(dns_policy="None", dns_config=core.PodDNSConfig(nameservers=("9.9.9.9",))))
    assert names.resolv_conf(own, AROUND) == "nameserver 9.9.9.9\n"


def test_hosts() -> None:
    text = names.hosts(desired().pod, "10.244.1.5", AROUND)
    assert "10.244.1.5\tp\n" in text
    assert "127.0.0.1\tlocalhost\n" in text
