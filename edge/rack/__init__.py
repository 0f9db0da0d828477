"""The physical side of the master: its address, DHCP, packet rules, broker and identities.

`edge-rack apply` renders all of it from one file, checks it, activates it and exits.
"""
