"""Rows and trials: planned, trained here or elsewhere, kept."""
