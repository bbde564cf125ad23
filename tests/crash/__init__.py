"""The crash matrix: every playbook, the agent dead at every named point of it, and again while it takes up its work."""
