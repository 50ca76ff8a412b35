"""The log lines of a soak: what was written, kept, dropped."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from tests.acceptance.soak import plan
from tests.acceptance.soak.detection import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.acceptance.soak.stage import Blow

#: Lines so old are there when a process is killed: the flush period, and a busy machine.
OLD: Final = 2.0
#: Blows after which lines wait in memory, and seconds until they are surely written.
HOLDING: Final = {plan.DATABASE_CUT, plan.DATABASE_STOPPED}
RECOVERY: Final = 8.0

#: Job and number.
Key = tuple[str, int]


@dataclass(kw_only=True)
class Lines:
    """The lines of every attempt, as its process noted them and as the database has them."""

    rows: list[dict[str, Any]]
    deeds: list[dict[str, Any]]
    blows: list[Blow]

    @cached_property
    def written(self) -> dict[Key, dict[str, float]]:
        """By attempt: each line, and when it was written."""
        found: dict[Key, dict[str, float]] = defaultdict(dict)
        for deed in self.deeds:
            if "line" in deed:
                found[deed["job"], deed["attempt"]][deed["line"]] = deed["at"]
        return found

    @cached_property
    def kept(self) -> dict[Key, Counter[str]]:
        """By attempt: how often the database has each line."""
        found: dict[Key, Counter[str]] = defaultdict(Counter)
        for row in self.rows:
            for line in row["lines"]:
                found[row["id"], line["attempt"]][line["message"]] += 1
        return found

    @cached_property
    def missing(self) -> dict[Key, list[str]]:
        """By attempt: lines that were written, and are not there."""
        gone = {
            key: [w for w in said if w not in self.kept[key]] for key, said in self.written.items()
        }
        return {key: words for key, words in gone.items() if words}

    @property
    def dropped(self) -> int:
        """Lines that attempts say they had to drop."""
        return sum(attempt["lines_dropped"] for _, attempt in self._attempts())

    def complaints(self) -> Iterator[str]:
        """Yield what is missing that must be there, and what is there twice."""
        for row, attempt in self._attempts():
            key = (row["id"], attempt["number"])
            what = f"{row['tag']}, attempt {attempt['number']} ({attempt['outcome']})"
            twice = [words for words, count in self.kept[key].items() if count > 1]
            if twice:
                yield f"{what} has lines twice: {twice}"
            missing = self.missing.get(key, [])
            if attempt["outcome"] in {"lost", "cancelled"}:
                missing = [words for words in missing if self._is_old(key, words, attempt)]
            if len(missing) > attempt["lines_dropped"]:
                yield f"{what} has lost lines: {missing}"

    def summary(self) -> str:
        """Return the counts, for the report."""
        written = sum(len(said) for said in self.written.values())
        kept = sum(len(words) for words in self.kept.values())
        gone = sum(len(words) for words in self.missing.values())
        return f"{written} written, {kept} kept, {self.dropped} dropped, {gone} died with a process"

    def _attempts(self) -> Iterable[tuple[dict[str, Any], dict[str, Any]]]:
        return ((row, attempt) for row in self.rows for attempt in row["attempts"])

    def _is_old(self, key: Key, words: str, attempt: dict[str, Any]) -> bool:
        """Whether a line was so old when its process was struck that it had to be there."""
        at = self.written[key][words]
        fell = struck(attempt, self.blows)
        if fell is None:
            return False
        holding = (blow for blow in self.blows if blow.fault in HOLDING)
        if any(blow.at - OLD < fell and at < blow.until + RECOVERY for blow in holding):
            return False
        return at < fell - OLD


def struck(attempt: dict[str, Any], blows: Iterable[Blow]) -> float | None:
    """Return when a blow fell on the process of an attempt, while that ran."""
    begun, ended = moment(attempt["started_at"]), moment(attempt["finished_at"])
    for blow in blows:
        here = blow.hostname == attempt["hostname"] and blow.pid in {None, attempt["pid"]}
        if here and begun <= blow.at <= ended:
            return blow.at
    return None
