"""Images: the data sets, synthetic ones, photos."""
