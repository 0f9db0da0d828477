"""The `edge-server` program: the control plane in one process."""
