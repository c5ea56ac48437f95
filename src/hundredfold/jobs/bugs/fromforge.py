"""Failing runs out of the forge's mirror: the logs of failed jobs, and JUnit reports among what runs
uploaded.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from functools import partial

from hundredfold.errors import SourceError
from hundredfold.evidence.logs.cleaning import MAX_LINE
from hundredfold.jobs.bugs.seeing import Seen, Unread, in_log, in_report
from hundredfold.jobs.protocol import Mirrored, Project
from hundredfold.sources.reports.junit import failed_cases_in
from hundredfold.store import mirror
from hundredfold.store.mirrorrows import ArtifactRow, JobRow, RunRow

FAILED = ("failure", "timed_out")
MAX_RUNS = 50  # newest failed runs that are looked at
MAX_ENTRIES = 200  # reports of an archive
MAX_ENTRY_BYTES = 50 * 10**6


def failed_runs(project: Project, mirrored: Mirrored) -> Iterator[Seen | Unread]:
    """The failures of the newest failed runs; each names the commit that was run."""
    for run in mirror.runs(mirrored.database, project.slug, conclusions=FAILED)[:MAX_RUNS]:
        for artifact in mirror.artifacts(mirrored.database, project.slug, run.id):
            if artifact.blob is not None:
                yield from _in_archive(project, mirrored.blobs.get(artifact.blob), run, artifact)
        for job in mirror.jobs(mirrored.database, project.slug, run.id):
            if job.conclusion in FAILED:
                yield _in_job(project, mirrored, run, job)


def _in_job(project: Project, mirrored: Mirrored, run: RunRow, job: JobRow) -> Seen | Unread:
    source = f"{run.name}, run {run.id}: {job.name}"
    if job.log is None:
        return Unread(source, f"its log is not in the mirror: {job.omitted or 'not fetched yet'}")
    lines = partial(_lines, mirrored.blobs.get(job.log))
    return in_log(lines, source, project.job.reports.excerpt_tokens, run.sha)


def _in_archive(
    project: Project, content: bytes, run: RunRow, artifact: ArtifactRow
) -> Iterator[Seen | Unread]:
    """The JUnit reports in an archive; everything else in it is passed over."""
    source = f"{run.name}, run {run.id}: {artifact.name}"
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            reports = [one for one in archive.infolist() if one.filename.lower().endswith(".xml")]
            for one in reports[:MAX_ENTRIES]:
                if one.file_size > MAX_ENTRY_BYTES:
                    yield Unread(f"{source}, {one.filename}", f"it holds {one.file_size:,} bytes")
                    continue
                try:
                    cases = failed_cases_in(archive.read(one), one.filename)
                except SourceError:
                    continue  # some other XML
                yield from (in_report(case, project.root, source, run.sha) for case in cases)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
        yield Unread(source, f"its archive can't be read: {error}")


def _lines(content: bytes) -> Iterator[str]:
    """The lines of a log, one at a time and cut at what is looked at."""
    at = 0
    while at < len(content):
        end = content.find(b"\n", at)
        end = len(content) if end < 0 else end
        yield content[at : min(end, at + 4 * MAX_LINE)].decode("utf-8", "replace")
        at = end + 1
