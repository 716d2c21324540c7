"""Result lines -> tables: the report's number beside ours. This room trains nothing.

rows.py computes every number of a row; tables.py, claims.py, scorecard.py, other_numbers.py,
csv.py, page.py, tensorboard.py and figures/ show them.
"""

from fmnist_jax.markdown import percent
from fmnist_jax.report.claims import claims_text
from fmnist_jax.report.command import main
from fmnist_jax.report.tables import overview, workdir_table

__all__ = ['claims_text', 'main', 'overview', 'percent', 'workdir_table']
