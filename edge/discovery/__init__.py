"""How a new node finds the master on the rack's network: DNS service discovery over multicast (RFC 6762, 6763)."""
