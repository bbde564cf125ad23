"""What integrations tell a running agent."""
