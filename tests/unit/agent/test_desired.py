import pytest

from edge.agent import desired
from edge.agent.desired import Known
from edge.api import core, meta, topology
from edge.bus import messages, topics


def index(*refs: tuple[str, str], epoch: str = "e") -> bytes:
    return messages.encode(messages.DesiredIndex(epoch=epoch, pods=tuple(messages.PodRef(*ref) for ref in refs)))


def message(uid: str, revision: str) -> bytes:
    pod = core.Pod(metadata=meta.ObjectMeta(name="p", namespace="default", uid=uid))
    return messages.encode(messages.DesiredPod(revision=revision, pod=pod))


def take(known: Known, branch: str, payload: bytes, name: str = "") -> Known:
    return desired.receive(known, topics.Topic(branch, "n", name), payload)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
def test_the_order_of_arrival_does_not_matter(order: tuple[int, ...]) -> None:
    known = Known()
    arrivals = [("desired/index", index(("a", "1"), ("b", "1")), ""), ("desired/pods", message("a", "1"), "a"),
                ("desired/pods", message("b", "1"), "b")]
    for number in order:
        known = take(known, *arrivals[number])
    wanted = desired.wanted(known)
    assert set(wanted.pods) == {"a", "b"}
    assert not wanted.awaited


def test_a_new_revision_may_come_before_or_after_its_index() -> None:
    known = take(take(Known(), "desired/index", index(("a", "1"))), "desired/pods", message("a", "1"), "a")
    early = take(take(known, "desired/pods", message("a", "2"), "a"), "desired/index", index(("a", "2")))
    late = take(take(known, "desired/index", index(("a", "2"))), "desired/pods", message("a", "2"), "a")
    assert desired.wanted(early).pods["a"].revision == desired.wanted(late).pods["a"].revision == "2"


def test_a_listed_pod_without_its_revision_is_awaited() -> None:
    known = take(take(Known(), "desired/pods", message("a", "1"), "a"), "desired/index", index(("a", "2"), ("b", "1")))
    assert desired.wanted(known).awaited == {"a", "b"}


def test_an_unlisted_pod_is_ignored_and_forgotten() -> None:
    known = take(take(Known(), "desired/pods", message("x", "1"), "x"), "desired/index", index(("a", "1")))
    assert "x" not in desired.wanted(known).pods
    assert not known.ahead


def test_nothing_is_unwanted_before_an_index_is_known() -> None:
    assert not desired.wanted(Known()).complete
    assert not desired.wanted(take(Known(), "desired/index", b"")).complete


@pytest.mark.parametrize("payload", [b"{", b"[]", b'{"epoch":"e","version":9}', b'{"epoch":1}', b"\xff"])
def test_a_wrong_message_changes_nothing(payload: bytes) -> None:
    with pytest.raises(messages.MessageError):
        take(Known(), "desired/index", payload)


def test_a_message_on_another_pods_topic_is_refused() -> None:
    with pytest.raises(messages.MessageError, match="the topic says pod a"):
        take(Known(), "desired/pods", message("b", "1"), "a")


def test_services_come_and_go() -> None:
    service = messages.encode(messages.ServiceMessage(service=topology.Service(namespace="d", name="s")))
    known = take(Known(), "cluster/services", service, "d/s")
    assert set(known.services) == {"d/s"}
    assert take(known, "cluster/services", b"", "d/s").services == {}
    with pytest.raises(messages.MessageError):
        take(known, "cluster/services", service, "d/other")


def pod_message(name: str = "p", **spec: object) -> bytes:
    pod = core.Pod(metadata=meta.ObjectMeta(name=name, namespace="default", uid="a"),
                   spec=core.PodSpec(**spec))  # type: ignore[arg-type]
    return messages.encode(messages.DesiredPod(revision="1", pod=pod))


@pytest.mark.parametrize(("payload", "uid", "words"), [
    (pod_message(node_name="other"), "a", "bound to the node other"),
    (pod_message(name="../../etc"), "a", "is not a name"),
    (pod_message(containers=(core.Container(name=".."),)), "a", "is not a name"),
    (pod_message(volumes=(core.Volume(name="a/b"),)), "a", "is not a name"),
    (message("..", "1"), "..", "is not a name"),
])
def test_a_pod_of_another_node_or_with_names_that_lead_elsewhere_is_refused(payload: bytes, uid: str,
                                                                            words: str) -> None:
    with pytest.raises(messages.MessageError, match=words):
        take(Known(), "desired/pods", payload, uid)


@pytest.mark.parametrize("service", [
    topology.Service(namespace="d", name="s", cluster_ip="garbage"),
    topology.Service(namespace="d", name="s", endpoints=(topology.Endpoint(address="::1"),)),
    topology.Service(namespace="d", name="s", ports=(topology.ServicePort(port=1, backends=(("x", 1),)),)),
    topology.Service(namespace="d", name='s"; drop'),
])
def test_a_service_that_would_spoil_the_others_is_refused(service: topology.Service) -> None:
    payload = messages.encode(messages.ServiceMessage(service=service))
    with pytest.raises(messages.MessageError):
        take(Known(), "cluster/services", payload, f"{service.namespace}/{service.name}")


@pytest.mark.parametrize("cluster", [
    topology.Cluster(dns_address="x"), topology.Cluster(service_cidr="10.0.0.1/8"),
    topology.Cluster(nodes=(topology.Node(name="n", pod_cidr="many"),))])
def test_a_cluster_with_addresses_that_are_none_is_refused(cluster: topology.Cluster) -> None:
    with pytest.raises(messages.MessageError):
        take(Known(), "cluster/nodes", messages.encode(messages.ClusterMessage(cluster=cluster)))


def service(name: str) -> bytes:
    return messages.encode(messages.ServiceMessage(service=topology.Service(namespace="d", name=name)))


def listing(*names: str) -> bytes:
    return messages.encode(messages.ClusterMessage(cluster=topology.Cluster(), services=names))


def test_a_service_that_went_while_the_node_was_away_goes_here_too() -> None:
    known = take(take(Known(), "cluster/services", service("old"), "d/old"), "cluster/services", service("s"), "d/s")
    known = take(known, "cluster/nodes", listing("d/s", "d/new"))
    assert set(known.services) == {"d/s"}
    known = take(known, "cluster/services", service("new"), "d/new")
    assert set(known.services) == {"d/s", "d/new"}
    assert take(known, "cluster/nodes", listing("d/new", "d/s")) is known
    assert not take(known, "cluster/nodes", listing()).services


def test_an_older_server_that_lists_no_services_takes_none_away() -> None:
    known = take(Known(), "cluster/services", service("s"), "d/s")
    said = messages.encode(messages.ClusterMessage(cluster=topology.Cluster()))
    assert set(take(known, "cluster/nodes", said).services) == {"d/s"}


def test_what_was_said_before_changes_nothing() -> None:
    service = messages.encode(messages.ServiceMessage(service=topology.Service(namespace="d", name="s")))
    cluster = messages.encode(messages.ClusterMessage(cluster=topology.Cluster()))
    said = [("desired/index", index(("a", "1")), ""), ("desired/pods", message("a", "1"), "a"),
            ("cluster/services", service, "d/s"), ("cluster/nodes", cluster, "")]
    known = Known()
    for each in said:
        known = take(known, *each)
    for each in said:
        assert take(known, *each) is known
    assert take(known, "cluster/services", b"", "d/other") is known


def test_a_revision_may_go_back() -> None:
    known = take(take(Known(), "desired/index", index(("a", "2"))), "desired/pods", message("a", "2"), "a")
    back = take(known, "desired/index", index(("a", "1")))
    assert desired.wanted(back).awaited == {"a"}
    assert desired.wanted(take(back, "desired/pods", message("a", "1"), "a")).pods["a"].revision == "1"


def test_a_huge_index_is_only_awaited_and_strangers_are_bounded() -> None:
    known = take(Known(), "desired/index", index(*((f"u{number}", "1") for number in range(10_000))))
    assert len(desired.wanted(known).awaited) == 10_000
    for number in range(desired.MOST_AHEAD):
        known = take(known, "desired/pods", message(f"x{number}", "1"), f"x{number}")
    with pytest.raises(messages.MessageError, match="not listed"):
        take(known, "desired/pods", message("one-more", "1"), "one-more")
    assert take(known, "desired/pods", message("u1", "1"), "u1").pods.keys() == {"u1"}
