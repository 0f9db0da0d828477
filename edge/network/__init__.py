"""What pods and services need of a node's kernel: addresses, routes, packet rules, names."""
