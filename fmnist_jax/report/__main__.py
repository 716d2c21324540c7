"""`python -m fmnist_jax.report`."""

import sys

from fmnist_jax.report.command import main

sys.exit(main())
