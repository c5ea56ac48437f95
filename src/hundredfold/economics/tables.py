"""Reading this package's data files and the user's over them, with errors that name file, row and key."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from hundredfold.errors import ConfigError

Row = TypeVar("Row", bound=Struct)


def read_rows(path: Path, table: str, kind: type[Row]) -> list[Row]:
    """The `[[table]]` rows of one TOML file.

    Raises:
        ConfigError: it can't be read, is not TOML, holds another table or a row that is not of that kind.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the file {path} can't be read: {error.strerror}", "Mend [worth].") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the file {path}: {error}", f"It holds [[{table}]] tables.") from error
    others = sorted(raw.keys() - {table})
    if others or not isinstance(raw.get(table, []), list):
        raise ConfigError(f"{path}: {', '.join(others) or table}", f"It holds [[{table}]] tables alone.")
    return [_row(one, number, path, table, kind) for number, one in enumerate(raw.get(table, []), 1)]


def _row(raw: Any, number: int, path: Path, table: str, kind: type[Row]) -> Row:
    try:
        return msgspec.convert(raw, kind)
    except (msgspec.ValidationError, ValueError) as error:
        known = ", ".join(kind.__struct_fields__)
        raise ConfigError(f"{path}: [[{table}]] row {number}: {error}", f"Known keys: {known}.") from error
