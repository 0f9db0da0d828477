"""Effects: gets a new certificate for the node's key, while the agent runs and after the old one has expired.

The key is all it takes: the request is signed by it, and the master knows it. The new certificate is taken up by the
contexts that are in use; connections that are open keep the old one until they end.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Callable, Sequence

from edge import logs
from edge.agent import enrol, identity, identity_files, masters
from edge.agent.identity import JoinError
from edge.agent.identity_files import Identity, Joining
from edge.clock import Clock
from edge.ids import Ids

PATH = "/edge/v1/renew"
LOOK_SECONDS = 3600.0
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 5.0, 600.0
ALONE_SECONDS = 20.0

log = logs.get("agent.renewal")


async def renew(joining: Joining, name: str) -> Identity:
    """Return the identity with a new certificate of that name for the key that is there.

    Raises:
        JoinError: the master is away or refuses; KeyUnknown and Copied say why.
        OSError: the card cannot be written.
    """
    master, ca, answer = await _ask(joining, name, look=False)
    found = identity_files.take(joining, ca, answer.certificate)
    masters.remember(joining.data_dir, master)
    return found


async def _ask(joining: Joining, name: str, *, look: bool,
               boot_id: str = "") -> tuple[masters.Master, str, identity.Renewed]:
    pinned = masters.trusted(joining)
    master, ca = await masters.first_good(await masters.candidates(joining, pinned), pinned)
    csr = await enrol.request(joining, name)
    # Without our own certificate: the handshake would fail with one that has expired.
    verified = ssl.create_default_context(cadata=ca)
    body = identity.renewal_request(csr, look=look, boot_id=boot_id)
    status, answer = await masters.ask(master, "POST", PATH, verified, body=body)
    return master, ca, identity.renewed(status, answer)


class Renewal:
    """Keeps the certificate good for as long as the agent runs."""

    def __init__(self, joining: Joining, name: str, contexts: Sequence[ssl.SSLContext], clock: Clock,
                 tell: Callable[[str, str], None], *, boot_id: str = "", chance: Ids | None = None) -> None:
        """Take what is renewed.

        `name` is the node's, `contexts` show its certificate, `tell` reports an event (reason and message), `boot_id`
        and `chance` tell this agent from another one that has the same identity.
        """
        self._boot_id, self._chance = boot_id, chance
        self._joining, self._name, self._contexts, self._clock, self._tell = joining, name, contexts, clock, tell
        self._suspicion = identity.Suspicion()
        self.over = asyncio.Event()
        """Set when the agent has to begin anew: it is another node now."""
        self.is_foreign = False
        """Whether it has to forget its identity and its pods then, since they are another board's."""

    async def run(self) -> None:
        """Work until cancelled."""
        retry, told = FIRST_RETRY_SECONDS, ""
        while True:
            joining = self._joining
            held = identity_files.held(joining)
            reason = identity.renewal_reason(held, joining.node_name, joining.serial, self._clock.now())
            if not reason:
                await self._clock.sleep(LOOK_SECONDS)
                continue
            try:
                await self._renew(reason, joining.node_name if identity.is_renamed(held, joining.node_name)
                                  else self._name)
            except (JoinError, OSError) as error:
                if self._is_foreign_now(error):
                    return
                if str(error) != told:
                    told = str(error)
                    log.warning("certificate not renewed yet", why=reason, reason=told)
                await self._clock.sleep(retry * (0.75 + self._jitter() / 2))
                retry = min(retry * 2, LONGEST_RETRY_SECONDS)
            else:
                retry, told = FIRST_RETRY_SECONDS, ""
                # One that ends soon all the same (the authority does) is not asked for again at once.
                await self._clock.sleep(LOOK_SECONDS)

    async def until_alone(self) -> None:
        """Return once no other agent is this node; never when its key was given to another board.

        When nobody can say, it is the bus that is tried again, after a while.
        """
        told = False
        while True:
            try:
                _, _, answer = await _ask(self._joining, self._name, look=True, boot_id=self._boot_id)
                if not answer.other:
                    return
            except (JoinError, OSError) as error:
                if self._is_foreign_now(error):
                    await asyncio.Event().wait()
                if not isinstance(error, identity.Copied):
                    log.info("cannot find out whether another machine is this node", reason=str(error))
                    await self._clock.sleep(ALONE_SECONDS)
                    return
            if not told:
                told = True
                log.error("another machine is this node at the moment; this one waits until it is gone. Is there a "
                          "copy of this card?", name=self._name)
            # At odds with the other one, which may wait for us likewise.
            await self._clock.sleep(ALONE_SECONDS * (0.5 + (self._chance.fraction() if self._chance else 0.5)))

    async def _renew(self, reason: str, name: str) -> None:
        found = await renew(self._joining, name)
        for context in self._contexts:
            context.load_cert_chain(found.certificate, found.key)
        log.info("certificate renewed", why=reason, name=found.name)
        self._tell("CertificateRenewed", f"the node has a new certificate: {reason}")
        if found.name != self._name:
            log.info("the node has another name now; it begins anew", name=found.name)
            self.over.set()

    def _is_foreign_now(self, error: Exception) -> bool:
        """Begin anew when the master has called the identity another board's for long enough."""
        if not isinstance(error, identity.Copied):
            self._suspicion = identity.Suspicion()
            return False
        if self._suspicion.holds(self._clock.monotonic()):
            log.error("this identity is another board's; the node asks for one of its own", reason=str(error))
            self.is_foreign = True
            self.over.set()
        return self.is_foreign

    def _jitter(self) -> float:
        return int(hashlib.sha256(self._name.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
