"""Pools seen from the gateway: the probe of an endpoint, and the resolver it asks for names."""

from agent.drivers.pools.probe import PoolProbe
from agent.drivers.pools.resolver import Resolver, is_address

__all__ = ["PoolProbe", "Resolver", "is_address"]
