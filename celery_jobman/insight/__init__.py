"""What the rows tell people, in words: the same in every door."""
