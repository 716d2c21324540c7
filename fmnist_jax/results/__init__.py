"""The files of a workdir: result lines, predictions, parameters; statistics over seeds."""
