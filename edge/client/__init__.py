"""How every other part sees the API: one interface, over HTTPS or in the same process, and caches on top of it."""
