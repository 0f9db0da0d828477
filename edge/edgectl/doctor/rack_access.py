"""Checks of the way from this machine to the rack's API: kubeconfig, network, certificates, clocks, versions."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from edge.edgectl.doctor.rack import Certificate, Facts, few, name
from edge.edgectl.doctor.results import Outcome, Result, ok, problem, unknown, warning

SOON = timedelta(days=30)
SKEW_SECONDS, BAD_SKEW_SECONDS = 30.0, 300.0
KUBECONFIG = ("copy it anew from the master: /var/lib/edge/pki has the administrator's certificate; `edgectl lab up` "
              "writes one for a lab")


def api(facts: Facts) -> Outcome:
    """The server of the kubeconfig answers."""
    reach, where = facts.reach, f"{facts.server} (context {facts.context} of {facts.kubeconfig})"
    if reach.reached:
        return ok(f"{where} answers") if not facts.health else problem(
            f"{where} answers, but it is not ready: {facts.health}", "on the master: `sudo journalctl -u edge-server "
                                                                     "-n 30`")
    match reach.kind:
        case "kubeconfig":
            return problem(f"the kubeconfig cannot be used: {reach.words}", KUBECONFIG)
        case "name":
            return problem(f"the name {facts.host} does not resolve: {reach.words}",
                           "is this machine on the rack's home network? `edgectl discover` looks for the master; "
                           "or write its Wi-Fi address into the kubeconfig")
        case "refused":
            return problem(f"{facts.host} is on, but nothing listens on the API's port",
                           "on the master: `systemctl status edge-server`")
        case "silent" | "unreachable":
            return problem(f"{facts.server} does not answer: {reach.words}",
                           "is the master on, and is this machine on its home network? Its Wi-Fi address may have "
                           "changed: use its name in the kubeconfig")
        case "tls":
            return _tls(facts)
        case "login":
            return problem(f"{facts.server} does not accept this kubeconfig: {reach.words}", KUBECONFIG)
    return problem(f"{facts.server} answers strangely: {reach.words}", "is that address the rack's API?")


def _tls(facts: Facts) -> Result:
    found, says = facts.server_certificate, f"{facts.server} is not trusted: {facts.reach.words}."
    if found is None:
        return problem(says, "is that address the rack's API, or something else that speaks TLS?")
    if found.fits_ca is False:
        return problem(f"{says} Its certificate is of another authority than the kubeconfig's: another rack, or this "
                       "one "
                       "was made anew", KUBECONFIG)
    if found.not_before and facts.now < found.not_before:
        return problem(f"{says} The clock of this machine ({facts.now:%Y-%m-%d %H:%M} UTC) is before the certificate's "
                       "first day", "set the clock of this machine: `sudo timedatectl set-ntp true`")
    if facts.now > found.not_after:
        return problem(f"{says} The certificate ended on {found.not_after:%Y-%m-%d}, or the clock of this machine "
                       f"({facts.now:%Y-%m-%d} UTC) is wrong", "on the master: `sudo edge-rack apply`, which renews it")
    if not _is_named(facts.host, found):
        return problem(f"{says} The certificate is for {few([*found.dns, *found.addresses], 12)}, not for {facts.host}",
                       f"names = [\"{facts.host}\"] in /etc/edge/rack.toml on the master, then `sudo edge-rack apply`; "
                       "or use one of these names in the kubeconfig")
    return problem(says, KUBECONFIG)


def _is_named(host: str, certificate: Certificate) -> bool:
    return host in (*certificate.dns, *certificate.addresses)


def certificates(facts: Facts) -> Outcome:
    """Until when the certificates of server and kubeconfig are valid."""
    found: list[Result] = []
    for what, certificate, mend in (
            ("the API server's certificate", facts.server_certificate, "on the master: `sudo edge-rack apply`"),
            ("the kubeconfig's own certificate", facts.own_certificate, KUBECONFIG)):
        if certificate is None:
            continue
        until = certificate.not_after
        if until < facts.now:
            found.append(problem(f"{what} ended on {until:%Y-%m-%d}", mend))
        elif until < facts.now + SOON:
            found.append(warning(f"{what} ends on {until:%Y-%m-%d}", mend))
        else:
            found.append(ok(f"{what} is valid until {until:%Y-%m-%d}"))
    return tuple(found) or None


def clock_of_this_machine(facts: Facts) -> Outcome:
    """This machine's clock against the server's."""
    if facts.server_date is None:
        return unknown("the server did not say its time") if facts.reach.reached else None
    skew = (facts.now - facts.server_date).total_seconds()
    if abs(skew) <= SKEW_SECONDS:
        return ok("this machine and the master have the same time")
    tell = problem if abs(skew) >= BAD_SKEW_SECONDS else warning
    return tell(f"this machine's clock is {_duration(skew)} the master's: ages are shown wrong, and new certificates "
                "and "
                "tokens may be refused", "`timedatectl` here and on the master: the one that is not synchronized is "
                                         "wrong")


def clocks_of_nodes(facts: Facts) -> Outcome:
    """The clocks of the nodes against the server's."""
    if not facts.reach.reached or not facts.node_dates:
        return None
    bad = {node: ahead for node, ahead in facts.node_dates.items() if abs(ahead) > SKEW_SECONDS}
    if not bad:
        return ok(f"the clocks of {len(facts.node_dates)} nodes agree with the master's")
    worst = max(abs(ahead) for ahead in bad.values())
    tell = problem if worst >= BAD_SKEW_SECONDS else warning
    return tell("; ".join(f"the clock of {node} is {_duration(bad[node])} the master's" for node in sorted(bad)),
                "there: `edgectl doctor --here` says where it gets its time")


def _duration(seconds: float) -> str:
    amount = timedelta(seconds=round(abs(seconds)))
    return f"{amount} {'ahead of' if seconds > 0 else 'behind'}"


def versions(facts: Facts) -> Outcome:
    """Versions of edgectl, server and agents."""
    if not facts.reach.reached:
        return None
    server, own = _release(facts.server_version), facts.own_version
    agents = {name(node): _release(str((node.get("status") or {}).get("nodeInfo", {}).get("kubeletVersion", "")))
              for node in facts.items("nodes") or ()}
    newer = sorted(node for node, version in agents.items() if _numbers(version) > _numbers(server))
    if newer:
        return problem(f"agents are newer than the server ({server}): {few(newer)}", "upgrade the master first: a "
                                                                                     "server "
                       "understands older agents, not newer ones")
    older = sorted(node for node, version in agents.items() if _numbers(version) < _numbers(server))
    if older:
        return warning(f"agents are older than the server ({server}): {few(older)}", "upgrade them too")
    if own and server and _numbers(own)[:2] != _numbers(server)[:2]:
        return warning(f"edgectl is {own}, the server {server}", f"pip install 'edgerack[ctl]=={server}'")
    return ok(f"edgectl, server and agents are {server or 'of one version'}")


def _release(version: str) -> str:
    """Return our own version in `v1.32.0+edge.0.1.0`."""
    return version.partition("+edge.")[2]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def at(text: object) -> datetime | None:
    """Return the time an API object says; None when it says none."""
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")) if text else None
    except ValueError:
        return None


CHECKS = (api, certificates, clock_of_this_machine, clocks_of_nodes, versions)
