"""The node: makes what the bus wants so, and says how it is. Works from its checkpoint when the master is away."""
