"""What is new, still open or gone, held against what a summary that arrived has told before.

"New" ends with delivery, not with composing: what a refused message said is new the next time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import msgspec


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """Something open now. `since` is the first day that can be told without a memory."""

    name: str
    since: date


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """Something open as it is remembered; `told`: a summary that arrived has named it."""

    name: str
    since: date
    told: bool = False


@dataclass(frozen=True, kw_only=True)
class Compared:
    """`gone` was told as open and is so no longer; of `uncertain` nobody knows."""

    open: Mapping[int, Known]
    gone: Mapping[int, Known]
    uncertain: Mapping[int, Known]

    def is_new(self, number: int) -> bool:
        return not self.open[number].told

    def since(self, number: int) -> date:
        return self.open[number].since

    @property
    def number_new(self) -> int:
        return sum(not known.told for known in self.open.values())

    @property
    def has_news(self) -> bool:
        return bool(self.number_new or self.gone)

    def remembered(self, *, told: bool) -> dict[int, Known]:
        """What the next comparison needs; `told`: the summary of this one arrived."""
        if not told:
            return {**self.open, **self.gone, **self.uncertain}
        now_told = {
            number: msgspec.structs.replace(known, told=True) for number, known in self.open.items()
        }
        return now_told | dict(self.uncertain)


def compare(
    known: Mapping[int, Known],
    current: Mapping[int, Open],
    *,
    listed: Collection[int] = (),
    is_complete: bool = True,
) -> Compared:
    """`listed` are those that were seen, open or not; without `is_complete` others may exist."""
    opened = {
        number: Known(
            name=now.name,
            since=before.since if (before := known.get(number)) else now.since,
            told=before is not None and before.told,
        )
        for number, now in current.items()
    }
    missing = {number: before for number, before in known.items() if number not in current}
    certain = {n: before for n, before in missing.items() if is_complete or n in listed}
    return Compared(
        open=opened,
        gone={number: before for number, before in certain.items() if before.told},
        uncertain={n: before for n, before in missing.items() if n not in certain},
    )
