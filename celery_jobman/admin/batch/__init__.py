"""The pages of one batch: what it holds, its verbs, and its graph."""
