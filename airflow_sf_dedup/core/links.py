"""What belongs together, if this belongs to that and that to a third? Groups that grow as links are told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class Links:
    """Groups of numbers. Takes memory for what is linked, and for nothing else."""

    def __init__(self) -> None:
        self._above: dict[int, int] = {}
        self._sizes: dict[int, int] = {}

    def __contains__(self, one: int) -> bool:
        return one in self._above

    def join(self, members: Sequence[int]) -> None:
        """Make one group of them and of the groups that they are in."""
        first = self._known(members[0])
        for other in members[1:]:
            first = self._joined(first, self._known(other))

    def root(self, one: int) -> int:
        """The member that stands for the group of a number; itself where it is linked to nothing."""
        root = one
        while (above := self._above.get(root, root)) != root:
            root = above
        while (above := self._above.get(one, root)) != root:
            self._above[one], one = root, above
        return root

    def size(self, members: Iterable[int]) -> int:
        """Of the group that joining them would make."""
        return sum(self._sizes.get(root, 1) for root in {self.root(one) for one in members})

    def _known(self, one: int) -> int:
        if one not in self._above:
            self._above[one], self._sizes[one] = one, 1
        return self.root(one)

    def _joined(self, one: int, other: int) -> int:
        if one == other:
            return one
        large, small = (one, other) if self._sizes[one] >= self._sizes[other] else (other, one)
        self._above[small] = large
        self._sizes[large] += self._sizes.pop(small)
        return large
