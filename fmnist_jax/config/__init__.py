"""Settings: every field, a row's settings, and what is refused."""
