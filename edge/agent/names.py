"""Decides the contents of a pod's /etc/hosts, /etc/hostname and /etc/resolv.conf.

See https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/.
"""

from __future__ import annotations

from edge.agent.surroundings import Surroundings
from edge.api import core

MOST_SERVERS, MOST_SEARCHES, MOST_SEARCH_BYTES = 3, 32, 2048
# A host name of the kernel has at most so many bytes.
MOST_HOSTNAME_BYTES = 64
_LOCAL = ("127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", "fe00::0\tip6-localnet",
          "fe00::0\tip6-mcastprefix", "fe00::1\tip6-allnodes", "fe00::2\tip6-allrouters")


def hostname(pod: core.Pod, node_name: str) -> str:
    """Return the pod's host name: the node's on the host network, else `spec.hostname` or its own name, at most 63."""
    if pod.spec.host_network:
        return node_name
    return (pod.spec.hostname or pod.metadata.name)[:63].rstrip("-.")


def kernel_hostname(pod: core.Pod, around: Surroundings) -> str:
    """Return what the pod's kernel is to call it: with `setHostnameAsFQDN` its whole name in the cluster."""
    name = hostname(pod, around.node_name)
    wanted = pod.spec.set_hostname_as_fqdn and pod.spec.subdomain and not pod.spec.host_network
    return f"{name}.{_domain(pod, around)}" if wanted else name


def problem(pod: core.Pod, around: Surroundings) -> str:
    """Return why the pod cannot be called what it wants to be, empty when it can."""
    name = kernel_hostname(pod, around)
    if len(name) <= MOST_HOSTNAME_BYTES:
        return ""
    return (f"failed to construct FQDN from pod hostname and cluster domain, FQDN {name} is too long "
            f"({MOST_HOSTNAME_BYTES} characters is the max, {len(name)} characters requested)")


def _domain(pod: core.Pod, around: Surroundings) -> str:
    return f"{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{around.cluster.domain}"


def mounted(pod: core.Pod) -> tuple[str, ...]:
    """Return which files below /etc the pod gets from us; on the host network it keeps the node's names."""
    if not pod.spec.host_network:
        return "hosts", "hostname", "resolv.conf"
    return ("hosts", "resolv.conf") if pod.spec.host_aliases else ("resolv.conf",)


def files(pod: core.Pod, address: str, around: Surroundings) -> tuple[tuple[str, str], ...]:
    """Return (name, content) of those files."""
    contents = {"hosts": hosts(pod, address, around), "hostname": kernel_hostname(pod, around) + "\n",
                "resolv.conf": resolv_conf(pod, around)}
    return tuple((name, contents[name]) for name in mounted(pod))


def hosts(pod: core.Pod, address: str, around: Surroundings) -> str:
    """Return the content of /etc/hosts."""
    name = hostname(pod, around.node_name)
    own = f"{address}\t{name}.{_domain(pod, around)}\t{name}" if pod.spec.subdomain else f"{address}\t{name}"
    lines = ["# Kubernetes-managed hosts file.", *_LOCAL, own]
    if pod.spec.host_network:
        lines = ["# Kubernetes-managed hosts file (host network).", *around.host_hosts.splitlines()]
    if pod.spec.host_aliases:
        lines += ["", "# Entries added by HostAliases."]
        lines += [f"{alias.ip}\t" + "\t".join(alias.hostnames) for alias in pod.spec.host_aliases]
    return "\n".join(lines) + "\n"


def resolv_conf(pod: core.Pod, around: Surroundings) -> str:
    """Return the content of /etc/resolv.conf for the pod's dnsPolicy and dnsConfig."""
    servers, searches, options = _resolver(pod, around)
    lines = [f"nameserver {server}" for server in servers[:MOST_SERVERS]]
    if searches:
        lines.append("search " + " ".join(_fitting(searches)))
    if options:
        lines.append("options " + " ".join(f"{name}:{value}" if value else name for name, value in options.items()))
    return "\n".join(lines) + "\n"


def omitted(pod: core.Pod, around: Surroundings) -> tuple[str, ...]:
    """Return what a person should know of what did not fit into the pod's /etc/resolv.conf."""
    servers, searches, _ = _resolver(pod, around)
    said, kept = [], _fitting(searches)
    if len(servers) > MOST_SERVERS:
        said.append("Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line "
                    f"is: {' '.join(servers[:MOST_SERVERS])}")
    if len(kept) < len(searches):
        said.append("Search Line limits were exceeded, some search paths have been omitted, the applied search line "
                    f"is: {' '.join(kept)}")
    return tuple(said)


def _fitting(searches: list[str]) -> list[str]:
    kept = searches[:MOST_SEARCHES]
    while len(" ".join(kept)) > MOST_SEARCH_BYTES:
        kept.pop()
    return kept


def _resolver(pod: core.Pod, around: Surroundings) -> tuple[list[str], list[str], dict[str, str]]:
    servers, searches, options = _policy(pod, around)
    config = pod.spec.dns_config
    if config is not None:
        servers = _unique([*servers, *config.nameservers])
        searches = _unique([*searches, *config.searches])
        for option in config.options:
            options[option.name] = option.value or ""
    return servers, searches, options


def _policy(pod: core.Pod, around: Surroundings) -> tuple[list[str], list[str], dict[str, str]]:
    policy = pod.spec.dns_policy or "ClusterFirst"
    if policy == "None":
        return [], [], {}
    servers, searches, options = parse(around.host_resolv_conf)
    if policy == "Default" or (policy == "ClusterFirst" and pod.spec.host_network) or not around.cluster.dns_address:
        return servers, searches, options
    domain = around.cluster.domain
    own = [f"{pod.metadata.namespace}.svc.{domain}", f"svc.{domain}", domain]
    return [around.cluster.dns_address], _unique([*own, *searches]), {"ndots": "5"}


def parse(text: str) -> tuple[list[str], list[str], dict[str, str]]:
    """Return the name servers, search domains and options of a resolv.conf; of several search lines the last one."""
    servers: list[str] = []
    searches: list[str] = []
    options: dict[str, str] = {}
    for line in text.splitlines():
        match line.split():
            case ["nameserver", server, *_]:
                servers.append(server)
            case ["search" | "domain", *domains]:
                searches = [domain for domain in domains if domain != "."]
            case ["options", *given]:
                options |= {name: value for name, _, value in (option.partition(":") for option in given)}
    return servers, searches, options


def _unique(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))
