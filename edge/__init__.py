"""edge: one computer out of a rack of Raspberry Pis. The packages in the order of the flow:

edgectl -> apiserver -> store -> client -> controllers -> scheduler -> bridge -> bus -> agent -> runtime, network,
and the status back the same way. `api` is what all of them talk about; ARCHITECTURE.md is the map.
"""
