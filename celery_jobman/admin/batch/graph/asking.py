"""Asking: what an address asks of the graph's page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from django.http import QueryDict

#: The parameters: the form that is shown, whether to draw what is too much, and which way it runs.
FORM, DRAW, FLOW = "form", "draw", "flow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be shown, and how.  Its properties are the addresses of what differs by one."""

    is_table: bool = False
    insists: bool = False
    is_down: bool = False

    @classmethod
    def of(cls, query: QueryDict) -> Asked:
        """Return what the parameters ask for; of what is unknown the usual."""
        return cls(
            is_table=query.get(FORM) == "table",
            insists=bool(query.get(DRAW)),
            is_down=query.get(FLOW) == "down",
        )

    def __str__(self) -> str:
        """Return the address, relative to the page's own."""
        asked = {FORM: "table", DRAW: "1", FLOW: "down"}
        given = zip(asked.items(), (self.is_table, self.insists, self.is_down), strict=True)
        return f"?{urlencode([pair for pair, is_asked in given if is_asked])}"

    @property
    def as_table(self) -> str:
        """The address of the table."""
        return str(replace(self, is_table=True))

    @property
    def as_drawing(self) -> str:
        """The address of the drawing."""
        return str(replace(self, is_table=False))

    @property
    def all_drawn(self) -> str:
        """The address of the drawing, however much it is."""
        return str(replace(self, is_table=False, insists=True))

    @property
    def rightwards(self) -> str:
        """The address of what runs from left to right."""
        return str(replace(self, is_down=False))

    @property
    def downwards(self) -> str:
        """The address of what runs from top to bottom."""
        return str(replace(self, is_down=True))
