"""Publishes what nodes shall know, retained, whenever it changes, and all of it after each new connection.

Effects: the bus. Objects are looked up when their turn comes, so that many changes of one object cost one message.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Sequence

from edge import logs
from edge.api import core, discovery, local_volumes, meta, mirror_pods, runtime_classes
from edge.bridge import desired, interface, pod_tokens, publications, renewals, surroundings, volumes
from edge.bridge.publications import ClusterKey, IndexKey, Key, PodKey, ServiceKey, VolumesKey
from edge.bus import interface as bus_interface
from edge.bus import messages
from edge.clock import Clock, wait

# Messages handed to the bus at a time; it lets about as many be on their way.
BATCH = 50

log = logs.get("bridge")
Refused = Callable[[core.Pod, str], None]
"""Told of a pod whose message the bus does not take, and why."""


class Publisher:
    """Keeps the broker's retained messages in step with the API."""

    def __init__(self, view: interface.View, bus: bus_interface.Bus, clock: Clock, *, epoch: str,
                 network: surroundings.Network, refused: Refused,
                 tokens: interface.Tokens = interface.no_tokens) -> None:
        self._view = view
        self._bus = bus
        self._clock = clock
        self._epoch = epoch
        self._network = network
        self._tokens = tokens
        self._state = publications.Publications()
        self._pods: dict[str, dict[str, tuple[str, str]]] = {}
        """By node, then uid: namespace and name of each bound pod."""
        self._revisions: dict[str, dict[str, str]] = {}
        """By node, then uid: what the index says."""
        self._wake = asyncio.Event()
        self._tell_refused = refused
        self._refused: set[str] = set()
        self._renewals = renewals.Renewals()

    async def run(self) -> None:
        """Publish until cancelled."""
        self.everything()
        while True:
            await wait(self._wake, self._clock, self._renewals.seconds(self._clock.now()))
            self._state.dirty.update(self._renewals.due(self._clock.now()))
            if not self._bus.connected:
                continue  # The next connection marks everything again.
            try:
                await self._round()
            except bus_interface.BusRefused as error:
                log.error("message refused", reason=str(error))
            except bus_interface.BusUnavailable as error:
                log.info("publishing waits for the broker", reason=str(error))

    def connected(self, epoch: str) -> None:
        """Begin anew: the broker may hold nothing, or something old."""
        self._epoch = epoch
        self._state.forget_contents()
        self.everything()

    def seen(self, topic: str) -> None:
        """Note a retained message of the server's own branch, left behind by an earlier run."""
        if self._state.seen(topic):
            self._wake.set()

    def everything(self) -> None:
        """Look at every object again."""
        self._pods.clear()
        for pod in self._view.all(core.Pod):
            self._note(pod)
        dirty = self._state.dirty
        dirty.add(ClusterKey())
        dirty.update(ServiceKey(s.metadata.namespace, s.metadata.name) for s in self._view.all(core.Service))
        for node in self._view.all(core.Node):
            dirty.update((IndexKey(node.metadata.name), VolumesKey(node.metadata.name)))
        for name, pods in self._pods.items():
            dirty.add(IndexKey(name))
            dirty.update(PodKey(name, uid) for uid in pods)
        dirty.update(key for topic in self._state.held if (key := publications.key_of(topic)) is not None)
        self._wake.set()

    def changed(self, old: meta.Object | None, new: meta.Object | None) -> None:
        """Take note of a change in the view; one of both may be None."""
        before = len(self._state.dirty)
        subject = new if new is not None else old
        match subject:
            case core.Pod():
                self._pod_changed(_as(core.Pod, old), _as(core.Pod, new))
            case core.Node():
                self._state.dirty.update((ClusterKey(), IndexKey(subject.metadata.name)))
            case core.Service() | core.Endpoints():
                self._state.dirty.add(ServiceKey(subject.metadata.namespace, subject.metadata.name))
                if isinstance(subject, core.Service) and (old is None or new is None):
                    self._state.dirty.add(ClusterKey())
            case discovery.EndpointSlice():
                names = (piece.metadata.labels.get(surroundings.SERVICE_LABEL) for piece in (old, new) if piece)
                self._state.dirty.update(ServiceKey(subject.metadata.namespace, name) for name in names if name)
            case core.ConfigMap() | core.Secret():
                if not desired.same_content(old, new):
                    self._reference_changed(subject)
            case core.ServiceAccount():
                self._reference_changed(subject)
            case runtime_classes.RuntimeClass():
                self._state.dirty.update(PodKey(pod.spec.node_name, pod.metadata.uid)
                                         for pod in desired.of_class(subject, self._view.all(core.Pod)))
            case _:
                self._volumes_changed(old, new)
        if len(self._state.dirty) != before:
            self._wake.set()

    def _pod_changed(self, old: core.Pod | None, new: core.Pod | None) -> None:
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid) and old.spec.node_name:
            self._pods.get(old.spec.node_name, {}).pop(old.metadata.uid, None)
            self._state.dirty.add(PodKey(old.spec.node_name, old.metadata.uid))
        if new is not None and new.spec.node_name and desired.concerns_node(old, new):
            self._note(new)
            self._state.dirty.add(PodKey(new.spec.node_name, new.metadata.uid))

    def _note(self, pod: core.Pod) -> None:
        # A mirror pod only shows what its node runs by itself.
        if pod.spec.node_name and not mirror_pods.is_mirror(pod):
            place = (pod.metadata.namespace, pod.metadata.name)
            self._pods.setdefault(pod.spec.node_name, {})[pod.metadata.uid] = place

    def _reference_changed(self, subject: core.ConfigMap | core.Secret | core.ServiceAccount) -> None:
        name = subject.metadata.name
        for pod in self._view.all(core.Pod, subject.metadata.namespace):
            if not pod.spec.node_name:
                continue
            found = desired.references(pod)
            if ((isinstance(subject, core.ConfigMap) and name in found.config_maps)
                    or (isinstance(subject, core.Secret) and name in found.secrets)
                    or (isinstance(subject, core.ServiceAccount) and name == desired.service_account(pod))):
                self._state.dirty.add(PodKey(pod.spec.node_name, pod.metadata.uid))

    def _volumes_changed(self, *states: meta.Object | None) -> None:
        for state in states:
            if isinstance(state, core.PersistentVolumeClaim | core.PersistentVolume):
                self._state.dirty.update(PodKey(pod.spec.node_name, pod.metadata.uid)
                                         for pod in volumes.pods_of(state, self._view))
            volume = state
            if isinstance(state, core.PersistentVolumeClaim):
                volume = self._view.get(core.PersistentVolume, state.spec.volume_name or local_volumes.name_of(state))
            if isinstance(volume, core.PersistentVolume) and (node := volumes.node_of(volume, self._view)):
                self._state.dirty.add(VolumesKey(node))

    async def _round(self) -> None:
        keys = self._state.take()
        slices = self._slices(keys)
        for kind in (ClusterKey, ServiceKey, PodKey):
            await self._publish_all([key for key in keys if isinstance(key, kind)], slices)
        # Rendering pods may have changed what their index says; gone pods are cleared once it says so.
        nodes = {key.node for key in keys if isinstance(key, IndexKey)} | {
            key.node for key in self._state.dirty if isinstance(key, IndexKey)}
        self._state.dirty -= {IndexKey(node) for node in nodes}
        await self._publish_all([IndexKey(node) for node in sorted(nodes)], slices)
        await self._publish_all([key for key in keys if isinstance(key, VolumesKey)], slices)
        await self._clear([key for key in keys if isinstance(key, PodKey) and self._pod(key) is None])

    async def _publish_all(self, keys: Sequence[Key], slices: dict[tuple[str, str], list[discovery.EndpointSlice]],
                           ) -> None:
        for start in range(0, len(keys), BATCH):
            outcomes = await asyncio.gather(*(self._publish(key, slices) for key in keys[start:start + BATCH]),
                                            return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome

    async def _publish(self, key: Key, slices: dict[tuple[str, str], list[discovery.EndpointSlice]]) -> None:
        topic = publications.topic_of(key)
        rendered: messages.Struct | None
        match key:
            case PodKey():
                rendered = self._render_pod(key)
                if rendered is None:
                    return  # cleared after the index
            case IndexKey():
                rendered = self._render_index(key)
            case VolumesKey(node):
                rendered = volumes.message(node, self._epoch, self._view)
            case ServiceKey():
                rendered = self._render_service(key, slices.get((key.namespace, key.name), []))
            case ClusterKey():
                rendered = messages.ClusterMessage(
                    cluster=surroundings.cluster(self._view.all(core.Node), self._network),
                    services=tuple(sorted(f"{service.metadata.namespace}/{service.metadata.name}"
                                          for service in self._view.all(core.Service))))
        if rendered is None:
            await self._clear([key])
            return
        payload = messages.encode(rendered)
        revision = hashlib.sha256(payload).hexdigest()[:16]
        if self._state.is_current(topic, revision):
            return
        try:
            await self._bus.publish(topic, payload, retain=True)
        except bus_interface.BusRefused as error:
            if topic not in self._refused:
                self._refused.add(topic)
                log.error("message refused", topic=topic, reason=str(error))
                pod = self._pod(key) if isinstance(key, PodKey) else None
                if pod is not None:
                    self._tell_refused(pod, str(error).removeprefix(f"{topic}: "))
            return
        self._refused.discard(topic)
        self._state.held[topic] = revision

    async def _clear(self, keys: Iterable[Key]) -> None:
        for key in keys:
            topic = publications.topic_of(key)
            if topic in self._state.held:
                await self._bus.publish(topic, b"", retain=True)
                self._state.held.pop(topic, None)
            self._refused.discard(topic)

    def _pod(self, key: PodKey) -> core.Pod | None:
        place = self._pods.get(key.node, {}).get(key.uid)
        if place is None:
            return None
        pod = self._view.get(core.Pod, place[1], place[0])
        return pod if pod is not None and pod.metadata.uid == key.uid else None

    def _render_pod(self, key: PodKey) -> messages.DesiredPod | None:
        pod = self._pod(key)
        revisions = self._revisions.setdefault(key.node, {})
        if pod is None:
            self._renewals.note(key, None)
            self._pods.get(key.node, {}).pop(key.uid, None)
            if revisions.pop(key.uid, None) is not None:
                self._state.dirty.add(IndexKey(key.node))
            return None
        namespace, found = pod.metadata.namespace, desired.references(pod)
        account = self._view.get(core.ServiceAccount, desired.service_account(pod), namespace)
        node = self._view.get(core.Node, key.node)
        held = pod_tokens.tokens(pod, account, node, self._clock.now(), self._tokens)
        self._renewals.note(key, held.due)
        message = desired.pod_message(pod, self._named(core.ConfigMap, found.config_maps, namespace),
                                      self._named(core.Secret, found.secrets, namespace), held.account,
                                      volumes.of_claims(pod, self._view), self._handler(pod), held.volumes)
        if revisions.get(key.uid) != message.revision:
            revisions[key.uid] = message.revision
            self._state.dirty.add(IndexKey(key.node))
        return message

    def _named(self, kind: type[interface.O], names: Iterable[str], namespace: str) -> dict[str, interface.O]:
        found = ((name, self._view.get(kind, name, namespace)) for name in names)
        return {name: obj for name, obj in found if obj is not None}

    def _handler(self, pod: core.Pod) -> str:
        name = pod.spec.runtime_class_name
        found = self._view.get(runtime_classes.RuntimeClass, name) if name else None
        return found.handler if found is not None else name

    def _render_index(self, key: IndexKey) -> messages.DesiredIndex | None:
        revisions = self._revisions.get(key.node, {})
        if not revisions and self._view.get(core.Node, key.node) is None:
            self._revisions.pop(key.node, None)
            self._pods.pop(key.node, None)
            return None
        return desired.index_message(self._epoch, revisions)

    def _render_service(self, key: ServiceKey,
                        slices: Sequence[discovery.EndpointSlice]) -> messages.ServiceMessage | None:
        service = self._view.get(core.Service, key.name, key.namespace)
        if service is None:
            return None
        endpoints = None if slices else self._view.get(core.Endpoints, key.name, key.namespace)
        return messages.ServiceMessage(service=surroundings.service(service, slices, endpoints))

    def _slices(self, keys: Iterable[Key]) -> dict[tuple[str, str], list[discovery.EndpointSlice]]:
        """Return the slices of the services in question, looking at each namespace once."""
        wanted = {(key.namespace, key.name) for key in keys if isinstance(key, ServiceKey)}
        found: dict[tuple[str, str], list[discovery.EndpointSlice]] = {}
        for namespace in sorted({place[0] for place in wanted}):
            for piece in self._view.all(discovery.EndpointSlice, namespace):
                place = (namespace, piece.metadata.labels.get(surroundings.SERVICE_LABEL, ""))
                if place in wanted:
                    found.setdefault(place, []).append(piece)
        return found


def _as(kind: type[interface.O], obj: meta.Object | None) -> interface.O | None:
    return obj if isinstance(obj, kind) else None
