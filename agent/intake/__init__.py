"""What integrations tell a running agent: that miners are curtailed, over MQTT or by a signed webhook.

Each source says one thing, a target in per cent, about the miners that the configuration gives it. It goes through the
one door into the ledger like everything that somebody else wants.
"""
