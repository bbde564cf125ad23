"""Drivers: one device family, one file. They speak a device's protocol and raise nothing but the agent's errors."""
