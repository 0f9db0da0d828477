"""A whole rack on one Linux machine: the book's four Pis, a laptop and the home network, in network namespaces.

Every machine is a network namespace with a process of its own as init, in its own mount, process, host name and IPC
namespaces. Switching a machine off kills that init, and the kernel ends everything the machine ran.
"""
