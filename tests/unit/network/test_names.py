from edge.api import topology
from edge.network import names, packets
from edge.network.packets import Answer, Query

WEB = topology.Service(namespace="default", name="web", cluster_ip="10.96.5.5",
                       ports=(topology.ServicePort(name="http", port=80),))
DB = topology.Service(
    namespace="prod", name="db", cluster_ip="None", ports=(topology.ServicePort(name="mongo", port=27017),),
    endpoints=(topology.Endpoint(address="10.244.1.2", hostname="mongo-0"),
               topology.Endpoint(address="10.244.2.3"),
               topology.Endpoint(address="10.244.2.9", ready=False)))
OUT = topology.Service(namespace="default", name="out", type="ExternalName", external_name="database.company.com.")
ZONE = names.build([WEB, DB, OUT], topology.Cluster())


def ask(name: str, kind: int = packets.A) -> Answer | None:
    return ZONE.answer(Query(1, name, kind, recursion_desired=True))


def data(name: str, kind: int = packets.A) -> list[object]:
    answer = ask(name, kind)
    assert answer is not None
    return [record.data for record in answer.records]


def test_a_service_has_its_address_its_ports_and_its_name_back() -> None:
    assert data("web.default.svc.cluster.local") == ["10.96.5.5"]
    assert data("_http._tcp.web.default.svc.cluster.local", packets.SRV) == [
        (0, 100, 80, "web.default.svc.cluster.local")]
    assert data("5.5.96.10.in-addr.arpa", packets.PTR) == ["web.default.svc.cluster.local"]


def test_a_headless_service_lists_ready_endpoints_and_names_them() -> None:
    assert data("db.prod.svc.cluster.local") == ["10.244.1.2", "10.244.2.3"]
    assert data("mongo-0.db.prod.svc.cluster.local") == ["10.244.1.2"]
    assert data("10-244-2-3.db.prod.svc.cluster.local") == ["10.244.2.3"]
    assert data("2.1.244.10.in-addr.arpa", packets.PTR) == ["mongo-0.db.prod.svc.cluster.local"]


def test_srv_answers_bring_the_addresses_along() -> None:
    answer = ask("_mongo._tcp.db.prod.svc.cluster.local", packets.SRV)
    assert answer is not None
    assert {record.data for record in answer.additional} == {"10.244.1.2", "10.244.2.3"}


def test_an_external_name_is_an_alias() -> None:
    assert data("out.default.svc.cluster.local") == ["database.company.com"]


def test_a_missing_name_of_ours_does_not_exist_and_says_for_how_long() -> None:
    answer = ask("nope.default.svc.cluster.local")
    assert answer is not None
    assert answer.rcode == packets.NXDOMAIN
    assert answer.authority[0].type == packets.SOA


def test_an_existing_name_without_that_type_has_no_data() -> None:
    for name in ("web.default.svc.cluster.local", "default.svc.cluster.local", "svc.cluster.local"):
        answer = ask(name, packets.AAAA)
        assert answer is not None
        assert (answer.rcode, answer.records) == (packets.NOERROR, ())


def test_pod_addresses_spell_themselves() -> None:
    assert data("10-244-1-5.default.pod.cluster.local") == ["10.244.1.5"]
    answer = ask("10-244-1.default.pod.cluster.local")
    assert answer is not None
    assert answer.rcode == packets.NXDOMAIN


def test_other_names_are_asked_elsewhere() -> None:
    assert ask("example.com") is None
    assert ask("notcluster.local") is None
