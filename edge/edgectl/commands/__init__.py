"""One module a verb. Each exports `command`; they are imported only when called, which keeps `edgectl --help` fast."""
