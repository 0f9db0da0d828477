"""Effects: makes the machine a node, and tries for ever, with one line in the log for each new kind of failure.

The identity on the card is used as it is, also when it has expired: a node whose master is away goes on. Only one that
was given to another board has to be asked about first. A card that was moved keeps its identity; one that was copied,
while its original runs, gets one of its own.
"""

from __future__ import annotations

from dataclasses import replace

from edge import logs
from edge.agent import enrol, identity, identity_files, renewal, unclaimed
from edge.agent.identity import JoinError, Next
from edge.agent.identity_files import Identity, Joining
from edge.clock import Clock
from edge.pki.subjects import Subject

FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 15.0
log = logs.get("agent.enrol")


async def join(joining: Joining, clock: Clock) -> Identity:
    """Return the node's identity, from the card or from the master."""
    attempt = _Attempt(joining, clock)
    announcing = unclaimed.Announcing(joining.interface)
    retry, said = FIRST_RETRY_SECONDS, ""
    try:
        while True:
            try:
                return await attempt.make()
            except (JoinError, OSError) as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("cannot join yet", reason=said, node=joining.node_name)
            if joining.announced:
                await announcing.tell(said)
            await clock.sleep(retry)
            retry = min(retry * 2, LONGEST_RETRY_SECONDS)
    finally:
        await announcing.stop()


class _Attempt:
    """One attempt after the other; remembers since when the master calls the card a copy."""

    def __init__(self, joining: Joining, clock: Clock) -> None:
        self._joining, self._clock = joining, clock
        self._suspicion = identity.Suspicion()
        self._told: Subject | None = None

    async def make(self) -> Identity:
        """Return the identity. Raises JoinError, OSError."""
        joining = self._joining
        held = identity_files.held(joining)
        match identity.next_step(held, joining.serial):
            case Next.USE:
                return await self._use(held)
            case Next.ASK:
                found = await self._ask(held)
            case Next.JOIN:
                found = await self._join()
        log.info("joined", node=found.name)
        return found

    async def _use(self, held: identity.Held) -> Identity:
        """A machine that was renamed asks once; if nobody answers it goes on under its old name for now."""
        joining = self._joining
        assert held.certificate is not None
        if identity.is_renamed(held, joining.node_name):
            try:
                return await renewal.renew(joining, joining.node_name)
            except (JoinError, OSError) as error:
                log.warning("the machine was renamed and goes on under its old name for now", reason=str(error),
                            name=held.certificate.name, wanted=joining.node_name)
        return replace(identity_files.files(joining.directory), name=held.certificate.name)

    async def _ask(self, held: identity.Held) -> Identity:
        """The certificate names another board."""
        joining, before = self._joining, held.certificate
        assert before is not None
        if self._told != before:
            self._told = before
            log.warning("the identity on this card was made for another board; the master is asked what has become of "
                        "that", name=before.name, theirs=before.serial, ours=joining.serial)
        renamed = identity.is_renamed(held, joining.node_name)
        try:
            return await renewal.renew(joining, joining.node_name if renamed else before.name)
        except identity.KeyUnknown:
            identity_files.forget(joining)
            raise
        except identity.Copied:
            self._note_copy()
            raise

    async def _join(self) -> Identity:
        """There is no certificate; there may be a key the master knows all the same."""
        joining = self._joining
        known = identity_files.requested(joining)
        if identity_files.files(joining.directory).key.is_file():
            try:
                return await renewal.renew(joining, joining.node_name)
            except identity.KeyUnknown:
                if known is not None and joining.serial and known.serial not in ("", joining.serial):
                    # The card was copied before its first machine had joined: this key belongs to that one.
                    identity_files.forget(joining)
            except identity.NotServed as error:
                # An older master knows tokens all the same. The key stays: what it opens is not known.
                if joining.token_file is None:
                    raise
                log.info("the key alone is not enough for this master; the token is shown", reason=str(error))
            except identity.Copied:
                self._note_copy()
                raise
        return await enrol.ask_with_token(joining, self._clock)

    def _note_copy(self) -> None:
        if self._suspicion.holds(self._clock.monotonic()):
            log.warning("this card is a copy and its original runs; this board gets a key of its own")
            identity_files.forget(self._joining)
            self._suspicion = identity.Suspicion()
