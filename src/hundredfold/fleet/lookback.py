"""While a run watches, outcomes are looked at when they are due: weeks of following need nobody to remember
it.
"""

from __future__ import annotations

from hundredfold.fleet.desk import Desk
from hundredfold.outcomes.observing import Looked, Observer
from hundredfold.outcomes.ours import follow
from hundredfold.sources.git import landing_branch
from hundredfold.store.database import now_us

EVERY_S = 3600.0
MOST = 500  # in one go; the rest is due an hour later


def look_back(desk: Desk) -> Looked:
    """Follow what was proposed, and look at what is due, in git and the mirror. Blocks.

    Raises:
        RepositoryError: the branch that work lands on can't be read.
        StorageError: the database refused.
    """
    follow(desk.database, desk.place.slug)
    branch = landing_branch(desk.repository)
    return Observer(desk.database, desk.place.slug, desk.repository, branch, now_us()).look(MOST)
