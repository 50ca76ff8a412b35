"""A shop that has a branch at every airport in the world."""
