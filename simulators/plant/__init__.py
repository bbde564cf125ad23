"""The plant: power, network and hashing as physics, without a protocol and without knowledge of any agent."""
