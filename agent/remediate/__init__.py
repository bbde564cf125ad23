"""Remediate: an incident, its playbook and the view decide the next move. Pure; acting is somebody else's."""
