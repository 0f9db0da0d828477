"""Which files and directories a pod's volumes need, and where they are mounted."""

from __future__ import annotations

import base64

import pytest

from edge.agent import layout, mounts, names, volumes
from edge.agent.surroundings import Surroundings
from edge.api import core, meta
from edge.api.persistent_volume_sources import LocalVolumeSource
from edge.bus import messages
from edge.runtime.containers import Mount

AROUND = Surroundings(node_name="node-1", node_address="10.0.0.2", data_dir="/d", run_dir="/r", ca_pem="CA",
                      host_resolv_conf="nameserver 10.0.0.1\nsearch home\noptions edns0\n")
Mi = 1 << 20


def desired(*made: core.Volume, mounts: tuple[core.VolumeMount, ...] = (),
            security: core.PodSecurityContext | None = None, memory: str = "", **more: object) -> messages.DesiredPod:
    container = core.Container(name="c", volume_mounts=mounts, resources=core.ResourceRequirements(
        limits={"memory": memory} if memory else {}))
    spec = core.PodSpec(volumes=made, containers=(container,), security_context=security)
    pod = core.Pod(metadata=meta.ObjectMeta(name="p", namespace="default", uid="u"), spec=spec)
    return messages.DesiredPod(revision="1", pod=pod, **more)  # type: ignore[arg-type]


def laid(wanted: messages.DesiredPod) -> volumes.Layout:
    return layout.layout(wanted, "1.2.3.4", AROUND)


def mounted(wanted: messages.DesiredPod, env: dict[str, str] | None = None) -> dict[str, Mount]:
    found = mounts.mounts(wanted.pod.spec.containers[0], 0, wanted, env or {}, AROUND)
    return {mount.destination: mount for mount in found}


def paths(wanted: messages.DesiredPod, env: dict[str, str] | None = None) -> tuple[volumes.SubPath, ...]:
    return mounts.sub_paths(wanted.pod.spec.containers[0], wanted, env or {}, AROUND)


CLAIM = core.Volume(name="data", persistent_volume_claim=core.PersistentVolumeClaimVolumeSource(claim_name="claim"))


def claimed(spec: core.PersistentVolumeSpec, *, annotations: dict[str, str] | None = None,
            security: core.PodSecurityContext | None = None) -> messages.DesiredPod:
    bound = core.PersistentVolume(metadata=meta.ObjectMeta(name="pv", annotations=annotations or {}), spec=spec)
    return desired(CLAIM, claims={"claim": bound}, security=security,
                   mounts=(core.VolumeMount(name="data", mount_path="/data"),))


def test_config_maps_are_on_the_card_and_secrets_are_not() -> None:
    made = laid(desired(core.Volume(name="v", config_map=core.ConfigMapVolumeSource(name="m")),
                        core.Volume(name="s", secret=core.SecretVolumeSource(secret_name="s")),
                        core.Volume(name="p", projected=core.ProjectedVolumeSource()),
                        config_maps={"m": core.ConfigMap(data={"a": "1"})},
                        secrets={"s": core.Secret(data={"k": base64.b64encode(b"hidden").decode()})}))
    assert [tree.path for tree in made.trees] == ["/d/pods/u/volumes/v", "/r/pods/u/s", "/r/pods/u/p"]
    assert made.trees[1].files[0].content == b"hidden"
    assert "hidden" not in repr(made)


def test_one_volume_that_cannot_be_made_leaves_the_others() -> None:
    made = laid(desired(core.Volume(name="v", secret=core.SecretVolumeSource(secret_name="s")),
                        core.Volume(name="e", empty_dir=core.EmptyDirVolumeSource())))
    assert made.problems == ('MountVolume.SetUp failed for volume "v" : secret "s" not found',)
    assert made.trees == ()
    assert [each.path for each in made.directories] == ["/d/pods/u/volumes/e"]


@pytest.mark.parametrize(("made", "kind"), [
    (core.Volume(name="v", csi=core.CSIVolumeSource(driver="d")), "csi"),
    (core.Volume(name="v", image=core.ImageVolumeSource(reference="busybox")), "image"),
    (core.Volume(name="v", iscsi=core.ISCSIVolumeSource()), "iscsi"),
    (core.Volume(name="v", git_repo=core.GitRepoVolumeSource()), "gitRepo"),
    (core.Volume(name="v", ephemeral=core.EphemeralVolumeSource()), "ephemeral"),
    (core.Volume(name="v"), "unknown"),
])
def test_kinds_that_cannot_be_mounted_are_refused_by_name(made: core.Volume, kind: str) -> None:
    assert laid(desired(made)).problems == (
        f'MountVolume.SetUp failed for volume "v" : volumes of kind {kind} are not supported on this node',)


def test_an_unbound_claim_is_awaited() -> None:
    assert laid(desired(CLAIM)).problems == ('MountVolume.SetUp failed for volume "data" : error processing PVC '
                                             "default/claim: PVC is not bound",)


def test_a_claim_leads_to_a_path_of_the_node() -> None:
    wanted = claimed(core.PersistentVolumeSpec(host_path=core.HostPathVolumeSource(path="/srv/x", type="Directory")))
    assert laid(wanted).host_paths == (volumes.HostPath("pv", "/srv/x", "Directory"),)
    assert mounted(wanted)["/data"].source == "/srv/x"
    assert not mounted(wanted)["/data"].read_only


def test_a_provisioned_directory_is_made_for_everybody() -> None:
    wanted = claimed(core.PersistentVolumeSpec(host_path=core.HostPathVolumeSource(path="/srv/x")),
                     annotations={"edge.pi/provisioned-by": "local-path"})
    assert laid(wanted).host_paths == (volumes.HostPath("pv", "/srv/x", "DirectoryOrCreate", 0o777),)


def test_a_local_volume_has_to_be_there_and_belongs_to_the_group_once() -> None:
    wanted = claimed(core.PersistentVolumeSpec(local=LocalVolumeSource(path="/mnt/disk")),
                     security=core.PodSecurityContext(fs_group=7, fs_group_change_policy="OnRootMismatch"))
    made = laid(wanted)
    assert made.host_paths == (volumes.HostPath("pv", "/mnt/disk", volumes.LOCAL),)
    assert made.owned == (volumes.Ownership("/mnt/disk", "/r/pods/u/_owned-data", True),)
    assert made.group == 7


def test_the_claim_of_a_generic_ephemeral_volume_is_the_pods_own() -> None:
    bound = core.PersistentVolume(metadata=meta.ObjectMeta(name="pv"), spec=core.PersistentVolumeSpec(
        host_path=core.HostPathVolumeSource(path="/srv/x")))
    made = core.Volume(name="data", ephemeral=core.EphemeralVolumeSource())
    wanted = desired(made, claims={"p-data": bound}, mounts=(core.VolumeMount(name="data", mount_path="/data"),))
    assert mounted(wanted)["/data"].source == "/srv/x"


def test_a_block_device_is_refused() -> None:
    wanted = claimed(core.PersistentVolumeSpec(volume_mode="Block", host_path=core.HostPathVolumeSource(path="/dev/x")))
    assert "block devices are not supported" in laid(wanted).problems[0]


def test_nfs_with_options_of_the_volume() -> None:
    own = desired(core.Volume(name="n", nfs=core.NFSVolumeSource(server="10.0.0.9", path="/exp", read_only=True)),
                  mounts=(core.VolumeMount(name="n", mount_path="/n"),))
    assert laid(own).mounts == (volumes.NetworkMount("n", "10.0.0.9:/exp", "/r/pods/u/_mounts/n", ("ro",)),)
    assert mounted(own)["/n"].source == "/r/pods/u/_mounts/n"
    assert mounted(own)["/n"].read_only
    bound = claimed(core.PersistentVolumeSpec(nfs=core.NFSVolumeSource(server="fd00::1", path="/exp"),
                                              mount_options=("soft", "nfsvers=4.2")))
    assert laid(bound).mounts == (volumes.NetworkMount("data", "[fd00::1]:/exp", "/r/pods/u/_mounts/data",
                                                       ("soft", "nfsvers=4.2")),)


def test_a_claim_that_is_mounted_read_only() -> None:
    made = core.Volume(name="data", persistent_volume_claim=core.PersistentVolumeClaimVolumeSource(
        claim_name="claim", read_only=True))
    bound = core.PersistentVolume(spec=core.PersistentVolumeSpec(host_path=core.HostPathVolumeSource(path="/srv")))
    wanted = desired(made, claims={"claim": bound}, mounts=(core.VolumeMount(name="data", mount_path="/data"),))
    assert mounted(wanted)["/data"].read_only


@pytest.mark.parametrize(("limit", "memory", "size"), [
    ("", "", 0), ("1Mi", "", Mi), ("", "2Mi", 2 * Mi), ("1Mi", "2Mi", Mi), ("4Mi", "2Mi", 2 * Mi), ("0", "", 0)])
def test_memory_is_bounded_by_the_volume_and_by_the_pod(limit: str, memory: str, size: int) -> None:
    source = core.EmptyDirVolumeSource(medium="Memory", size_limit=limit or None)
    wanted = desired(core.Volume(name="e", empty_dir=source), memory=memory)
    assert laid(wanted).directories == (volumes.Directory("/d/pods/u/volumes/e", True, size),)


def test_an_unknown_medium_is_refused() -> None:
    source = core.EmptyDirVolumeSource(medium="HugePages-2Mi")
    assert laid(desired(core.Volume(name="e", empty_dir=source))).problems == (
        'MountVolume.SetUp failed for volume "e" : the medium "HugePages-2Mi" is not supported on this node',)


def test_who_measures_them_finds_the_empty_dirs() -> None:
    wanted = desired(core.Volume(name="e", empty_dir=core.EmptyDirVolumeSource(size_limit="1Mi")),
                     core.Volume(name="m", empty_dir=core.EmptyDirVolumeSource(medium="Memory")),
                     core.Volume(name="h", host_path=core.HostPathVolumeSource(path="/srv")))
    assert volumes.empty_dirs(wanted.pod, AROUND) == (
        volumes.EmptyDir("e", "/d/pods/u/volumes/e", False, Mi), volumes.EmptyDir("m", "/d/pods/u/volumes/m", True, 0))


def test_mounts() -> None:
    wanted = desired(core.Volume(name="e", empty_dir=core.EmptyDirVolumeSource()),
                     core.Volume(name="h", host_path=core.HostPathVolumeSource(path="/srv", type="Directory")),
                     core.Volume(name="m", config_map=core.ConfigMapVolumeSource(name="m")),
                     mounts=(core.VolumeMount(name="e", mount_path="/e", mount_propagation="HostToContainer"),
                             core.VolumeMount(name="h", mount_path="/h", read_only=True),
                             core.VolumeMount(name="m", mount_path="/m")),
                     service_account_token="t")
    found = mounted(wanted)
    assert (found["/e"].source, found["/e"].propagation) == ("/d/pods/u/volumes/e", "rslave")
    assert (found["/h"].source, found["/h"].read_only) == ("/srv", True)
    assert (found["/m"].read_only, found["/m"].propagation) == (True, "rprivate")
    assert found[mounts.SERVICE_ACCOUNT_PATH].source == "/r/pods/u/kube-api-access"
    assert {"/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/dev/termination-log"} <= set(found)


def test_a_pod_that_mounts_its_account_itself_gets_no_second_one() -> None:
    wanted = desired(core.Volume(name="a", projected=core.ProjectedVolumeSource()), service_account_token="t",
                     mounts=(core.VolumeMount(name="a", mount_path=mounts.SERVICE_ACCOUNT_PATH + "/"),))
    assert [mount.source for path, mount in mounted(wanted).items() if "serviceaccount" in path] == ["/r/pods/u/a"]


def test_the_account_of_an_older_pod_is_mounted_without_its_token_too() -> None:
    wanted = desired(withheld=messages.Withheld(account=True))
    assert [file.path for file in laid(wanted).trees[0].files] == ["ca.crt", "namespace"]
    assert mounts.SERVICE_ACCOUNT_PATH in mounted(wanted)
    assert laid(desired(withheld=messages.Withheld())).trees == ()


def test_a_path_inside_a_volume_is_mounted_from_where_it_is_bound() -> None:
    wanted = desired(core.Volume(name="e", empty_dir=core.EmptyDirVolumeSource()),
                     core.Volume(name="h", host_path=core.HostPathVolumeSource(path="/srv")),
                     mounts=(core.VolumeMount(name="e", mount_path="/e", sub_path="a/b"),
                             core.VolumeMount(name="h", mount_path="/h", sub_path_expr="logs/$(POD)",
                                              mount_propagation="Bidirectional"),
                             core.VolumeMount(name="e", mount_path="/whole")))
    assert paths(wanted, {"POD": "p"}) == (
        volumes.SubPath("/d/pods/u/volumes/e", "a/b", "/r/pods/u/_subpaths/e/c/0", "e", "c"),
        volumes.SubPath("/srv", "logs/p", "/r/pods/u/_subpaths/h/c/1", "h", "c", shared=True))
    found = mounted(wanted, {"POD": "p"})
    assert [found[path].source for path in ("/e", "/h", "/whole")] == [
        "/r/pods/u/_subpaths/e/c/0", "/r/pods/u/_subpaths/h/c/1", "/d/pods/u/volumes/e"]


@pytest.mark.parametrize(("mount", "message"), [
    (core.VolumeMount(name="e", mount_path="/e", sub_path="../../x"),
     "unable to provision SubPath `../../x`: must not contain '..'"),
    (core.VolumeMount(name="e", mount_path="/e", sub_path="/x"), "error SubPath `/x` must not be an absolute path"),
    (core.VolumeMount(name="e", mount_path="/e", sub_path_expr="$(UP)"),
     "unable to provision SubPath `../x`: must not contain '..'"),
    (core.VolumeMount(name="e", mount_path="/e", sub_path_expr="$(NONE)"), 'missing value for "NONE"'),
    (core.VolumeMount(name="x", mount_path="/e"), 'container c mounts the volume "x", which is not in the pod'),
    (core.VolumeMount(name="e", mount_path="/e", recursive_read_only="Enabled", read_only=True),
     'volume "e" requested recursive read-only mode, but it is not supported by the runtime'),
    (core.VolumeMount(name="e", mount_path="/e", recursive_read_only="IfPossible"),
     'volume "e" requested recursive read-only mode, but it is not read-only'),
    (core.VolumeMount(name="e", mount_path="/e", recursive_read_only="Enabled", read_only=True,
                      mount_propagation="Bidirectional"),
     'volume "e" requested recursive read-only mode, but it is not compatible with propagation "Bidirectional"'),
])
def test_what_cannot_be_mounted_is_said(mount: core.VolumeMount, message: str) -> None:
    wanted = desired(core.Volume(name="e", empty_dir=core.EmptyDirVolumeSource()), mounts=(mount,))
    with pytest.raises(volumes.NotReadyError) as caught:
        mounted(wanted, {"UP": "../x"})
    assert str(caught.value) == message


def test_recursion_if_possible_is_plain_reading() -> None:
    mount = core.VolumeMount(name="e", mount_path="/e", recursive_read_only="IfPossible", read_only=True)
    wanted = desired(core.Volume(name="e", empty_dir=core.EmptyDirVolumeSource()), mounts=(mount,))
    assert mounted(wanted)["/e"].read_only


def test_the_status_says_how_volumes_are_mounted() -> None:
    made = core.Container(volume_mounts=(core.VolumeMount(name="e", mount_path="/e", read_only=True),
                                         core.VolumeMount(name="f", mount_path="/f")))
    assert mounts.shown(made) == (
        core.VolumeMountStatus(name="e", mount_path="/e", read_only=True, recursive_read_only="Disabled"),
        core.VolumeMountStatus(name="f", mount_path="/f"))


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
