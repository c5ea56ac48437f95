"""What failed, out of the logs and reports that a project's runs left and the forge's failed runs: each
once.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from hundredfold.errors import SourceError
from hundredfold.jobs.bugs.fromforge import failed_runs
from hundredfold.jobs.bugs.seeing import Seen, Unread, in_log, in_report
from hundredfold.jobs.protocol import Project
from hundredfold.sections import ReportsSettings
from hundredfold.sources.reports.files import lines_of, matching
from hundredfold.sources.reports.junit import failed_cases


def collect(project: Project) -> Iterator[Seen | Unread]:
    """Every failure once, with where it was seen last; files first, then the forge's runs, newest first.

    Raises:
        ConfigError: a pattern leads out of the repository.
    """
    met: set[str] = set()
    for one in _everything(project):
        mark = one.failure.fingerprint if isinstance(one, Seen) else f"{one.source}: {one.reason}"
        if mark not in met:
            met.add(mark)
            yield one


def _everything(project: Project) -> Iterator[Seen | Unread]:
    yield from _in_files(project.root, project.job.reports)
    if project.mirror is not None:
        yield from failed_runs(project, project.mirror)


def _in_files(root: Path, settings: ReportsSettings) -> Iterator[Seen | Unread]:
    reports, logs = matching(root, settings.junit), matching(root, settings.logs)
    for path in (*reports, *logs):
        source = path.relative_to(root.resolve()).as_posix()
        try:
            if path in reports:
                yield from [in_report(case, root, source) for case in failed_cases(path)]
            else:
                yield in_log(partial(lines_of, path), source, settings.excerpt_tokens)
        except SourceError as error:
            yield Unread(source, error.whole)
