"""Finding log files below a folder, whatever stands in the way."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path


def walk(
    top: Path, is_log: Callable[[str], bool], trouble: Callable[[str, str], None]
) -> Iterator[tuple[str, os.stat_result]]:
    """Every log below `top` (or `top` itself, if it is a file) with what the system says of it.

    Each folder is entered once, so links in a circle end; `trouble` hears of what can't be looked into.
    """
    seen: set[tuple[int, int]] = set()
    waiting = [str(top)]
    while waiting:
        folder = waiting.pop()
        try:
            about = Path(folder).stat()
            if (about.st_dev, about.st_ino) in seen:
                continue
            seen.add((about.st_dev, about.st_ino))
            entries = list(os.scandir(folder))
        except NotADirectoryError:
            yield folder, about
            continue
        except OSError as error:
            trouble(folder, error.strerror or str(error))
            continue
        for entry in entries:
            try:
                if entry.is_dir():
                    waiting.append(entry.path)
                elif is_log(entry.name):
                    about = entry.stat()
                    if entry.is_file():
                        yield entry.path, about
            except OSError as error:
                trouble(entry.path, error.strerror or str(error))
