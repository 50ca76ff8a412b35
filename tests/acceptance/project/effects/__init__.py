"""What tasks did, one row for each time they did it."""
