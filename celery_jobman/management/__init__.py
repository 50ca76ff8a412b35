"""Management commands: the operators' door to the jobs."""
