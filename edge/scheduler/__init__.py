"""Finds a node for each pod: filters, scores, a stable choice, and the loop that binds."""
