"""The graph of a workflow: read as rows, folded, laid out and drawn here, without a library."""
