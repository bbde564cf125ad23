"""Guard: one gate one file, each asked in the order of order.py before anything is done to the world."""
