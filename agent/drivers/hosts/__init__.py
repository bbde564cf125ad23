"""Control boards as hosts: logs, firmware images, and the ways they get into a miner."""
