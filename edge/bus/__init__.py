"""The control bus: its topics and messages, one connection to it, and the broker's configuration."""
