"""One seed: pure functions from arrays to arrays."""
