"""Help for testing projects that run their tasks as jobs."""
