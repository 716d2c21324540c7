"""Every table of five Fashion-MNIST reports, re-run in JAX with many seeds and error bars."""
