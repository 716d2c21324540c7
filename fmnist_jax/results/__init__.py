"""What training leaves behind: result lines, predictions, parameters, statistics."""
