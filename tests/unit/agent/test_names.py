"""What a pod is called, and whom it asks for names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.agent import names, plan
from edge.agent.actions import Emit
from edge.api import core, meta, topology
from tests.fakes.view import AROUND, container, view

NODE = "search lan.example .\nnameserver 192.0.2.1\nnameserver 192.0.2.2\noptions timeout:3\n"
HERE = replace(AROUND, host_resolv_conf=NODE, host_hosts="127.0.0.1 localhost\n10.0.0.1 master\n")


def pod(name: str = "web", **spec: object) -> core.Pod:
    return core.Pod(metadata=meta.ObjectMeta(name=name, namespace="default", uid="u"),
                    spec=core.PodSpec(containers=(container(),), **spec))  # type: ignore[arg-type]


CLUSTER = ["nameserver 10.96.0.10", "search default.svc.cluster.local svc.cluster.local cluster.local lan.example",
           "options ndots:5"]
HOST = ["nameserver 192.0.2.1", "nameserver 192.0.2.2", "search lan.example", "options timeout:3"]
CONFIG = core.PodDNSConfig(nameservers=("198.51.100.1", "192.0.2.1"), searches=("own.example", "lan.example"),
                           options=(core.PodDNSConfigOption(name="ndots", value="2"),
                                    core.PodDNSConfigOption(name="edns0")))


@pytest.mark.parametrize(("wanted", "expected"), [
    (pod(), CLUSTER), (pod(dns_policy="ClusterFirst"), CLUSTER), (pod(dns_policy="Default"), HOST),
    (pod(dns_policy="ClusterFirst", host_network=True), HOST),
    (pod(dns_policy="ClusterFirstWithHostNet", host_network=True), CLUSTER),
    (pod(dns_policy="ClusterFirstWithHostNet"), CLUSTER),
    (pod(dns_policy="None", dns_config=CONFIG),
     ["nameserver 198.51.100.1", "nameserver 192.0.2.1", "search own.example lan.example", "options ndots:2 edns0"]),
    (pod(dns_policy="Default", dns_config=CONFIG),
     ["nameserver 192.0.2.1", "nameserver 192.0.2.2", "nameserver 198.51.100.1", "search lan.example own.example",
      "options timeout:3 ndots:2 edns0"]),
    (pod(dns_config=CONFIG),
     ["nameserver 10.96.0.10", "nameserver 198.51.100.1", "nameserver 192.0.2.1",
      "search default.svc.cluster.local svc.cluster.local cluster.local lan.example own.example",
      "options ndots:2 edns0"])])
def test_whom_a_pod_asks(wanted: core.Pod, expected: list[str]) -> None:
    assert names.resolv_conf(wanted, HERE).splitlines() == expected


def test_without_an_address_for_names_the_nodes_servers_are_asked() -> None:
    nowhere = replace(HERE, cluster=topology.Cluster(dns_address=""))
    assert names.resolv_conf(pod(), nowhere).splitlines() == HOST


def test_what_does_not_fit_is_left_out_and_said() -> None:
    many = core.PodDNSConfig(nameservers=tuple(f"192.0.2.{n}" for n in range(1, 6)),
                             searches=tuple(f"n{n}.example" for n in range(40)))
    found = pod(dns_policy="None", dns_config=many)
    servers, searches = names.resolv_conf(found, HERE).splitlines()[:3], names.resolv_conf(found, HERE).splitlines()[3]
    assert servers == [f"nameserver 192.0.2.{n}" for n in (1, 2, 3)]
    assert len(searches.split()) == 33
    first, second = names.omitted(found, HERE)
    assert first == ("Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line "
                     "is: 192.0.2.1 192.0.2.2 192.0.2.3")
    assert second.startswith("Search Line limits were exceeded, some search paths have been omitted, the applied ")
    assert names.omitted(pod(), HERE) == ()
    long = core.PodDNSConfig(nameservers=("192.0.2.1",), searches=tuple(f"{n}{'x' * 200}.example" for n in range(12)))
    line = names.resolv_conf(pod(dns_policy="None", dns_config=long), HERE).splitlines()[1]
    assert len(line.removeprefix("search ")) <= 2048


def test_what_was_left_out_is_an_event() -> None:
    config = core.PodDNSConfig(nameservers=tuple(f"192.0.2.{n}" for n in range(1, 6)))
    spec = core.PodSpec(containers=(container(),), dns_policy="None", dns_config=config)
    said = [action for action in plan.plan(view(spec=spec, files=False)).actions if isinstance(action, Emit)]
    assert [(each.reason, each.type) for each in said] == [("DNSConfigForming", "Warning")]


@pytest.mark.parametrize(("wanted", "short", "kernel"), [
    (pod(), "web", "web"), (pod(hostname="box"), "box", "box"), (pod("a" * 62 + ".bc"), "a" * 62, "a" * 62),
    (pod(host_network=True, hostname="box"), "node-1", "node-1"),
    (pod(hostname="box", subdomain="sub"), "box", "box"),
    (pod(hostname="box", subdomain="sub", set_hostname_as_fqdn=True), "box", "box.sub.default.svc.cluster.local"),
    (pod(set_hostname_as_fqdn=True), "web", "web"),
    (pod(subdomain="sub", set_hostname_as_fqdn=True, host_network=True), "node-1", "node-1")])
def test_host_names(wanted: core.Pod, short: str, kernel: str) -> None:
    assert names.hostname(wanted, "node-1") == short
    assert names.kernel_hostname(wanted, HERE) == kernel
    if not wanted.spec.host_network:
        assert dict(names.files(wanted, "10.244.1.2", HERE))["hostname"] == f"{kernel}\n"


def test_a_whole_name_that_is_too_long_holds_the_pod_back() -> None:
    long = core.PodSpec(containers=(container(),), hostname="h" * 40, subdomain="sub", set_hostname_as_fqdn=True)
    (said,) = plan.plan(view(spec=long, sandbox=False)).actions
    assert isinstance(said, Emit)
    assert said.reason == "FailedCreatePodSandBox"
    assert "is too long (64 characters is the max, 70 characters requested)" in said.message


def test_the_hosts_file() -> None:
    aliases = (core.HostAlias(ip="192.0.2.9", hostnames=("printer", "printer.lan")),)
    text = names.hosts(pod(subdomain="sub", host_aliases=aliases), "10.244.1.2", HERE)
    assert text.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost")
    assert "\n10.244.1.2\tweb.sub.default.svc.cluster.local\tweb\n" in text
    assert text.endswith("\n\n# Entries added by HostAliases.\n192.0.2.9\tprinter\tprinter.lan\n")
    own = names.hosts(pod(host_network=True, host_aliases=aliases), "10.0.0.2", HERE)
    assert own.startswith("# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n10.0.0.1 master\n")
    assert own.endswith("192.0.2.9\tprinter\tprinter.lan\n")
    assert names.mounted(pod(host_network=True)) == ("resolv.conf",)
    assert names.mounted(pod(host_network=True, host_aliases=aliases)) == ("hosts", "resolv.conf")
