"""The simulated devices: each speaks its real protocol on its own loopback address, and shows what the plant does."""
