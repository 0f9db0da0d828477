"""Asks for a name by multicast DNS with a client nobody here wrote (dnspython); prints who answered what.

`python ask.py ADDRESS NAME [TYPE]`, where ADDRESS is this machine's on the network to ask in.
"""

from __future__ import annotations

import json
import socket
import sys
import time

import dns.message
import dns.rdatatype

SECONDS = 0.8


def ask(own: str, name: str, kind: str) -> list[list[str]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
        asking.bind((own, 0))
        asking.sendto(dns.message.make_query(name, kind).to_wire(), ("224.0.0.251", 5353))
        found, deadline = [], time.monotonic() + SECONDS
        while (left := deadline - time.monotonic()) > 0:
            asking.settimeout(left)
            try:
                raw, (sender, _) = asking.recvfrom(9000)
            except TimeoutError:
                break
            # Multicast DNS compresses names in NSEC records (RFC 6762, section 18.14), which other DNS does not.
            answer = dns.message.from_wire(raw, ignore_trailing=True, continue_on_error=True)
            found += [[sender, dns.rdatatype.to_text(rrset.rdtype), rrset.name.to_text(), str(data)]
                      for rrset in (*answer.answer, *answer.additional) for data in rrset]
        return found


if __name__ == "__main__":
    print(json.dumps(ask(sys.argv[1], sys.argv[2], (sys.argv[3:] or ["A"])[0])))
