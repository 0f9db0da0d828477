"""The command line: everything about the rack itself; what kubectl does is left to kubectl."""
