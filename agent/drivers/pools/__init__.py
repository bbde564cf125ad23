"""Pools seen from the gateway: the probe of an endpoint, and the resolver it asks for names."""
