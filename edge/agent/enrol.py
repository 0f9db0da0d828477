"""Effects: joins a rack: asks its master for a certificate with a bootstrap token, and waits until it is approved."""

from __future__ import annotations

import re
import ssl

from edge.agent import child, identity, identity_files, masters
from edge.agent.identity import JoinError
from edge.agent.identity_files import Identity, Joining
from edge.agent.masters import Master
from edge.clock import Clock
from edge.pki.subjects import Subject

POLL_SECONDS = 1.0
POLLS = 60
_TOKEN = re.compile(r"[a-z0-9]{6}\.[a-z0-9]{16}")
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


async def ask_with_token(joining: Joining, clock: Clock) -> Identity:
    """Return the identity a new key gets with a bootstrap token. Raises JoinError or OSError."""
    pinned = masters.pinned_hash(joining)
    if not pinned or joining.token_file is None:
        raise JoinError("the node has no identity yet, and the settings lack bootstrap_token_file or ca_cert_hash")
    token = identity_files.read(joining.token_file, "the bootstrap token")
    if not _TOKEN.fullmatch(token):
        raise JoinError(f"{joining.token_file} holds no bootstrap token: six letters or digits, a dot, and sixteen "
                        "more; `edgectl token create` on the rack makes one")
    master, ca = await masters.first_good(await masters.candidates(joining), pinned)
    csr = await request(joining, joining.node_name)
    verified = ssl.create_default_context(cadata=ca)
    certificate = await _sign(joining, master, verified, token, csr, clock)
    found = identity_files.take(joining, ca, certificate)
    masters.remember(joining.data_dir, master)
    return found


async def request(joining: Joining, name: str) -> str:
    """Return the certificate request for a name, in PEM. It is made once, so that a denied node does not ask again and
    again; the key is kept."""
    path = joining.directory / "node.csr"
    if identity_files.requested(joining) != Subject(name, joining.serial):
        joining.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        code, output = await child.run("edge.pki.request", "--name", name, "--serial", joining.serial, "--directory",
                                       str(joining.directory))
        if code != 0:
            raise JoinError(f"cannot make a certificate request: {output.strip()}")
    return path.read_text()


async def _sign(joining: Joining, master: Master, verified: ssl.SSLContext, token: str, csr: str,
                clock: Clock) -> str:
    name, body = identity.request_name(joining.node_name, csr), identity.request(joining.node_name, csr)
    status, answer = await masters.ask(master, "POST", REQUESTS, verified, token=token, body=body)
    if status not in (200, 201, 409):
        raise JoinError(identity.refusal(status, answer))
    for _ in range(POLLS):
        status, answer = await masters.ask(master, "GET", f"{REQUESTS}/{name}", verified, token=token)
        if status != 200:
            raise JoinError(identity.refusal(status, answer))
        certificate = identity.certificate(answer)
        if certificate:
            return certificate
        if reason := identity.waiting(answer):
            raise JoinError(f"the request {name} is not approved: {reason}")
        await clock.sleep(POLL_SECONDS)
    raise JoinError(f"the request {name} is not approved yet; `kubectl certificate approve {name}` does that")
