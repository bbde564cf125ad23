"""The soak: random sites on which random things go wrong, and the agent dies now and then; what must hold, holds."""
