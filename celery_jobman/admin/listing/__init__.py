"""The list of jobs: its pages, its search, its filters, and what moves on it."""
