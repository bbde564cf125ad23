"""The local API: JSON over HTTP/1.1 on a Unix socket that only the agent's own user can open.

What is asked and answered is data; one group of routes is one file, listed in groups.py. Nothing here decides or
touches a device: what a route changes goes through the one door (door.py) and is in the ledger before it is answered.
"""
