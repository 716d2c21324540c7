"""Result lines -> tables: the reports' numbers beside ours. Nothing is trained here.

rows.py holds every number of a row; tables.py, claims_table.py, also.py, overview.py
and csv_table.py print them.
"""

from fmnist_jax.markdown import percent
from fmnist_jax.report.claims import claims_text
from fmnist_jax.report.command import main
from fmnist_jax.report.overview import overview
from fmnist_jax.report.tables import table, workdir_table

__all__ = ['claims_text', 'main', 'overview', 'percent', 'table', 'workdir_table']
