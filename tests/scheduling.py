"""Which tests run in one process when pytest-xdist shares them out (``-n``)."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

#: Folders whose modules share what is dear to start, and so go to one process.
TOGETHER = ("tests/acceptance/standalone/",)


class DearThingsOnce(LoadScopeScheduling):
    """As ``--dist loadscope``, module by module; but what shares a dear fixture of the session stays together.

    Modules go out in the order in which they were collected, not the largest first: what takes minutes has few tests.
    """

    def schedule(self) -> None:
        self.config.option.loadscopereorder = False
        super().schedule()

    def _split_scope(self, nodeid: str) -> str:
        together = next((folder for folder in TOGETHER if nodeid.startswith(folder)), None)
        return together or super()._split_scope(nodeid)
