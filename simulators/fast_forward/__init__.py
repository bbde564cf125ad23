"""Fast-forward: the plant writes the agent's columns itself. No device, no protocol, no byte; for days and months."""
