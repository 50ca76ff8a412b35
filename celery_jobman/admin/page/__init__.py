"""The page of one job: regions that are drawn by the server, and drawn again while it moves."""
