"""Playbooks as data: one file, one PLAYBOOK. They import `agent.model` only."""
