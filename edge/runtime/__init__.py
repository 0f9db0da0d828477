"""Containers on this node: the interface, what is asked and observed as values, and Podman behind it."""
