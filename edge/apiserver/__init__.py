"""The front door: Kubernetes' paths, verbs and words over the store.

A request walks `http` -> `paths` -> `authenticate` -> `authorize` -> `service` (`admission`, `allocate`, `deletion`,
`selection` decide) -> `edge.store`, and back through `render`. `streams` passes logs, exec and port-forward on to the
node's agent; `local` is the same API for the loops of this process, without HTTP.
"""
