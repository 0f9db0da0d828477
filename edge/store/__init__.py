"""One revisioned record of every object: reads from memory, writes in groups to SQLite, watches with bounded queues."""
