"""The shop's workflows: jobs that make up one thing, with one page and one end.

Each module has the tasks of one workflow, and the function that a view, a command or an action
of the admin calls to begin it.
"""

from __future__ import annotations

from example_project.shop.workflows import avatars, carts, fan_out, newsletter

__all__ = ["avatars", "carts", "fan_out", "newsletter"]
