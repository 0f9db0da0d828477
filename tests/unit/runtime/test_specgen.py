"""What Podman is sent for a container."""

from __future__ import annotations

from dataclasses import replace

from edge.runtime import specgen
from edge.runtime.containers import ContainerSpec, Mount

SPEC = ContainerSpec(
    pod_uid="u", pod_name="web", namespace="default", name="main", attempt=3, spec_hash="h", image="hello",
    image_id="id1",
)  # fmt: skip


def test_the_least() -> None:
    document = specgen.document(SPEC)
    assert document["name"] == "main_web_default_u_3"
    assert document["image"] == "id1"
    assert document["netns"] == {"nsmode": "host"}
    assert document["restart_policy"] == "no"
    assert document["healthconfig"] == {"Test": ["NONE"]}
    assert document["log_configuration"] == {"driver": "none"}
    assert document["resource_limits"] == {"cpu": {"shares": 2}}
    # An empty list would replace what the image says.
    assert not {"entrypoint", "command", "work_dir", "user", "cap_add", "pidns", "r_limits"} & document.keys()


def test_command_is_the_entrypoint_and_args_are_the_command() -> None:
    document = specgen.document(replace(SPEC, command=("a",), args=("b", "c")))
    assert (document["entrypoint"], document["command"]) == (["a"], ["b", "c"])


def test_a_working_directory_is_made_where_the_image_has_none() -> None:
    document = specgen.document(replace(SPEC, working_dir="/srv/app"))
    assert (document["work_dir"], document["create_working_dir"]) == ("/srv/app", True)
    assert "create_working_dir" not in specgen.document(SPEC)


def test_files_that_the_agent_mounts_are_left_alone() -> None:
    mounts = (Mount(source="/h", destination="/etc/hosts"), Mount(source="/v", destination="/v", read_only=True))
    document = specgen.document(replace(SPEC, mounts=mounts, netns_path="/run/netns/x"))
    assert (document["use_image_hosts"], document["use_image_resolve_conf"]) == (True, False)
    assert document["mounts"][1]["options"] == ["rbind", "ro", "rprivate"]
    assert document["netns"] == {"nsmode": "path", "value": "/run/netns/x"}


def test_limits() -> None:
    spec = replace(SPEC, cpu_request_milli=250, cpu_limit_milli=1500, memory_limit_bytes=1 << 20)
    assert specgen.document(spec)["resource_limits"] == {
        "cpu": {"shares": 256, "period": 100_000, "quota": 150_000},
        "memory": {"limit": 1 << 20, "swap": 1 << 20},
    }
    assert specgen.document(replace(SPEC, cpu_limit_milli=1))["resource_limits"]["cpu"]["quota"] == 1000


def test_security() -> None:
    spec = replace(SPEC, capabilities_add=("NET_ADMIN", "cap_sys_time"), capabilities_drop=("all",), user="5:6",
                   supplemental_groups=(7,), read_only_root=True, no_new_privileges=True, host_pid=True)  # fmt: skip
    document = specgen.document(spec)
    assert document["cap_add"] == ["CAP_NET_ADMIN", "CAP_SYS_TIME"]
    assert document["cap_drop"] == ["ALL"]
    assert (document["user"], document["groups"]) == ("5:6", ["7"])
    assert document["read_only_filesystem"]
    assert document["no_new_privileges"]
    assert document["pidns"] == {"nsmode": "host"}


def test_ulimits_have_equal_soft_and_hard_values() -> None:
    assert specgen.document(SPEC, (("nofile", 1024),))["r_limits"] == [{"type": "nofile", "soft": 1024, "hard": 1024}]


def test_logs_go_to_a_file_of_bounded_size() -> None:
    log = specgen.document(replace(SPEC, log_path="/l/0.log"))["log_configuration"]
    assert log == {"driver": "k8s-file", "path": "/l/0.log", "size": 10 * 1024 * 1024}
