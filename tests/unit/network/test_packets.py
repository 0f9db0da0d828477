import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.network import packets
from edge.network.packets import Answer, Malformed, Record


def wire(name: str, kind: str = "A", *, edns: bool = False) -> bytes:
    return dns.message.make_query(name, kind, use_edns=edns, payload=4096 if edns else None).to_wire()


def test_a_query_is_read_as_an_independent_library_wrote_it() -> None:
    query = packets.parse(wire("Web.Default.svc.cluster.local", "SRV", edns=True))
    assert (query.name, query.type, query.udp_size) == ("web.default.svc.cluster.local", packets.SRV, packets.MAX_UDP)
    assert packets.parse(wire("a.b")).udp_size == 512


def test_every_record_type_is_read_back_by_an_independent_library() -> None:
    query = packets.parse(wire("web.cluster.local", "ANY", edns=True))
    soa = ("ns.cluster.local", "host.cluster.local", 1, 2, 3, 4, 5)
    answer = Answer(records=(
        Record("web.cluster.local", packets.A, 5, "10.1.2.3"),
        Record("web.cluster.local", packets.CNAME, 5, "other.cluster.local"),
        Record("web.cluster.local", packets.SRV, 5, (0, 100, 80, "web.cluster.local")),
        Record("web.cluster.local", packets.PTR, 5, "x.cluster.local")),
        authority=(Record("cluster.local", packets.SOA, 5, soa),))
    message = dns.message.from_wire(packets.render(query, answer))
    texts = {rrset.rdtype: rrset[0].to_text() for rrset in message.answer}
    assert texts[dns.rdatatype.A] == "10.1.2.3"
    assert texts[dns.rdatatype.CNAME] == "other.cluster.local."
    assert texts[dns.rdatatype.SRV] == "0 100 80 web.cluster.local."
    assert message.authority[0][0].to_text() == "ns.cluster.local. host.cluster.local. 1 2 3 4 5"
    assert message.id == query.id
    assert message.flags & dns.flags.AA


def test_a_long_answer_is_cut_so_that_the_client_takes_tcp() -> None:
    query = packets.parse(wire("many.cluster.local"))
    answer = Answer(records=tuple(Record("many.cluster.local", packets.A, 5, f"10.0.{n}.1") for n in range(200)))
    short = packets.render(query, answer, query.udp_size)
    assert len(short) <= 512
    assert dns.message.from_wire(short).flags & dns.flags.TC
    assert len(dns.message.from_wire(packets.render(query, answer)).answer[0]) == 200


@given(st.binary(max_size=200))
def test_anything_is_either_a_query_or_malformed(packet: bytes) -> None:
    try:
        packets.parse(packet)
    except Malformed:
        assert len(packets.failure(packet, packets.FORMERR)) in (0, 12)


def test_a_name_that_points_at_itself_ends() -> None:
    with pytest.raises(Malformed):
        packets.parse(b"\0\1\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1")
