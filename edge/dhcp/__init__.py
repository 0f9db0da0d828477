"""Addresses on the rack's wire: one model of what is leased, and the real servers that lease it.

The model says what a person wants; an adapter writes it in the words of one server, names the command that checks it,
and reads that server's leases back.
"""
