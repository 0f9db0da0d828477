"""The lease files of three servers, as they are and as a power cut, a stranger or a wrong clock leaves them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.dhcp.model import Server
from edge.dhcp.servers import SERVERS

NOW = datetime(2025, 11, 20, 12, 0, 0, tzinfo=UTC)
END = NOW + timedelta(seconds=600)
DNSMASQ = f"""{int(END.timestamp())} 02:ed:9e:00:00:01 10.0.0.2 node-1 01:02:ed:9e:00:00:01
0 02:ed:9e:00:00:02 10.0.0.3 * *
"""
ISC = r"""# This lease file was written by isc-dhcp-4.4.3-P1
authoring-byte-order little-endian;
server-duid "\000\001\000\0012\224\230\317J\360\013a{\346";

lease 10.0.0.2 {
  starts 4 2025/11/20 11:00:00;
  ends 4 2025/11/20 11:10:00;
  binding state free;
  hardware ethernet 02:ed:9e:00:00:09;
}
lease 10.0.0.2 {
  starts 4 2025/11/20 12:00:00;
  ends 4 2025/11/20 12:10:00;
  cltt 4 2025/11/20 12:00:00;
  binding state active;
  next binding state free;
  rewind binding state free;
  hardware ethernet 02:ed:9e:00:00:01;
  uid "\001\002\355\236\000\000\001";
  client-hostname "node-1";
  on expiry {
    execute ("/etc/edge/rack/lease-hook", "del", binary-to-ascii (10, 8, ".", leased-address), "");
  }
}
lease 10.0.0.3 {
  starts 4 2025/11/20 12:00:00;
  ends never;
  binding state active;
  hardware ethernet 02:ed:9e:00:00:02;
}
"""
KEA = f"""address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context
10.0.0.2,02:ed:9e:00:00:09,,600,{int(END.timestamp())},1,0,0,,0,
10.0.0.9,02:ed:9e:00:00:08,,600,{int(END.timestamp())},1,0,0,,2,
address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context
10.0.0.2,02:ed:9e:00:00:01,01:02:ed:9e:00:00:01,600,{int(END.timestamp())},1,0,0,node-1.cluster.home,0,
10.0.0.3,02:ed:9e:00:00:02,,4294967295,{int(END.timestamp())},1,0,0,,0,
"""
TEXTS = {"dnsmasq": DNSMASQ, "isc-dhcp-server": ISC, "kea": KEA}
each = pytest.mark.parametrize(("server", "text"), [(SERVERS[name], text) for name, text in TEXTS.items()],
                               ids=TEXTS.keys())


def shown(server: Server, text: str, now: datetime = NOW) -> dict[str, str]:
    return {str(lease.address): lease.mac for lease in server.leases(text, now)}


BOTH = {"10.0.0.2": "02:ed:9e:00:00:01", "10.0.0.3": "02:ed:9e:00:00:02"}


@each
def test_the_last_word_on_each_address_counts(server: Server, text: str) -> None:
    assert shown(server, text) == BOTH
    first, second = sorted(server.leases(text, NOW), key=lambda lease: lease.address)
    assert (first.name, first.expires) == ("node-1", END)
    assert second.expires is None


@each
def test_of_a_file_cut_off_anywhere_what_is_whole_is_read_and_nothing_else(server: Server, text: str) -> None:
    # 10.0.0.2 may be cut from 10.0.0.24: half a line is no lease.
    addresses = [shown(server, text[:end]) for end in range(len(text))]
    known = {("10.0.0.2", "02:ed:9e:00:00:01"), ("10.0.0.2", "02:ed:9e:00:00:09"), ("10.0.0.3", "02:ed:9e:00:00:02")}
    assert all(set(found.items()) <= known for found in addresses)
    assert shown(server, text + text[-60:][:35]) == BOTH


@each
def test_zeros_and_garbage_between_leases_cost_only_themselves(server: Server, text: str) -> None:
    dirt = "\0\0\0\nlease } {\n,,,\n99999999999999999999 x y z w\n  binding state\nlease 1.2.3 {\n}\n"
    assert shown(server, text + dirt) == BOTH


@each
@given(junk=st.text(max_size=300))
def test_no_text_breaks_a_reader(server: Server, text: str, junk: str) -> None:
    server.leases(junk, NOW)
    server.leases(text[:200] + junk + text[200:], NOW)


@each
def test_with_a_clock_that_is_years_behind_every_lease_holds(server: Server, text: str) -> None:
    assert shown(server, text, datetime(1970, 1, 1, tzinfo=UTC)) == BOTH


@each
def test_a_lease_that_has_ended_is_none_but_where_the_server_removes_them_itself(server: Server, text: str) -> None:
    later = shown(server, text, END + timedelta(seconds=1))
    assert later == (BOTH if server.name == "dnsmasq" else {"10.0.0.3": BOTH["10.0.0.3"]})


def test_a_machine_cannot_end_another_ones_lease_with_its_name() -> None:
    hostile = ISC.replace('client-hostname "node-1"', r'client-hostname "x\"; binding state free; }"')
    assert shown(SERVERS["isc-dhcp-server"], hostile) == BOTH
    commas = KEA.replace("node-1.cluster.home", "a&#x2c0&#x2c2")
    assert shown(SERVERS["kea"], commas) == BOTH


def test_a_row_of_kea_without_a_lifetime_is_a_lease_that_went() -> None:
    gone = KEA + f"10.0.0.2,02:ed:9e:00:00:01,,0,{int(END.timestamp())},1,0,0,,0,\n"
    assert shown(SERVERS["kea"], gone) == {"10.0.0.3": BOTH["10.0.0.3"]}
