"""The cluster's own certificate authority, certificates, keys and tokens."""
