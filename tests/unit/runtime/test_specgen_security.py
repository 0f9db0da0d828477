"""What Podman is told about rights and confinement."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.runtime import specgen, specgen_security
from edge.runtime.confinement import UNCONFINED, Confinement
from edge.runtime.containers import ContainerSpec, Mount

SPEC = ContainerSpec(pod_uid="u", pod_name="web", namespace="default", name="main", attempt=3, spec_hash="h",
                     image="hello", image_id="id1")


def test_nothing_is_said_of_what_is_not_asked_for() -> None:
    assert specgen_security.document(SPEC) == {}


@pytest.mark.parametrize(("add", "drop", "found"), [
    (("net_admin", "CAP_NET_ADMIN"), (), (["CAP_NET_ADMIN"], [])),
    (("NET_RAW",), ("NET_RAW",), ([], ["CAP_NET_RAW"])),
    (("ALL",), ("ALL",), ([], ["ALL"])),
    (("NET_RAW", "ALL"), ("all", "CHOWN"), (["CAP_NET_RAW"], ["ALL"])),
    (("all", "NET_RAW"), ("CHOWN",), (["ALL"], ["CAP_CHOWN"]))])
def test_capabilities_never_contradict_themselves(add: tuple[str, ...], drop: tuple[str, ...],
                                                  found: tuple[list[str], list[str]]) -> None:
    assert specgen_security.capabilities(add, drop) == found


def test_profiles_and_labels() -> None:
    confined = Confinement(seccomp_profile="/p/x.json", app_armor_profile=UNCONFINED, se_linux=("type:a_t",),
                           unmasked=True)
    assert specgen_security.document(replace(SPEC, confinement=confined)) == {
        "seccomp_profile_path": "/p/x.json", "apparmor_profile": "unconfined", "selinux_opts": ["type:a_t"],
        "unmask": ["ALL"]}


def test_a_user_namespace_maps_ids_and_mounts() -> None:
    spec = replace(SPEC, confinement=Confinement(first_id=131072), mounts=(Mount(source="/a", destination="/b"),))
    document = specgen.document(spec)
    assert document["userns"] == {"nsmode": "private"}
    ids = [{"container_id": 0, "host_id": 131072, "size": 65536}]
    assert (document["idmappings"]["UIDMap"], document["idmappings"]["GIDMap"]) == (ids, ids)
    assert document["mounts"][0]["options"][-1] == "idmap"
    plain = specgen.document(replace(spec, confinement=Confinement()))
    assert "userns" not in plain
    assert "idmap" not in plain["mounts"][0]["options"]


def test_which_annotations_change_how_a_container_is_confined() -> None:
    assert specgen_security.orders({"run.oci.seccomp_bpf_data": "", "org.systemd.property.DeviceAllow": "",
                                    "io.podman.annotations.init": "FALSE", "mine": ""}) == (
        "org.systemd.property.DeviceAllow", "run.oci.seccomp_bpf_data")
