"""The simulated site: plant and physics, devices on their real protocols, faults with declared truth, virtual time.

Of `agent` it knows the vocabulary (`agent.model`) and nothing else: it implements its own side of each protocol.
"""
