"""docs/modules.md, from the modules' own docstrings: `python -m tests.support.modules` writes it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import hundredfold

SOURCE = Path(hundredfold.__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "modules.md"

HEAD = """# Modules

What each module is for, in the first words of its own docstring. Made by
`./dev exec python -m tests.support.modules`; how they work together is in [architecture.md](architecture.md).
"""


def packages() -> list[str]:
    """Every package below `hundredfold`, as a path."""
    return sorted(
        file.parent.relative_to(SOURCE).as_posix()
        for file in SOURCE.rglob("__init__.py")
        if file.parent != SOURCE
    )


def modules(package: str) -> list[Path]:
    """The modules of a package ("." is the ground floor), in order."""
    return sorted(file for file in (SOURCE / package).glob("*.py") if file.name != "__init__.py")


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for package in (".", *packages()):
        heading = "hundredfold" if package == "." else package
        lines = [f"- `{file.name}`: {_first_words(file)}" for file in modules(package)]
        parts.append(
            "\n\n".join(
                filter(
                    None, (f"## {heading}", _first_words(SOURCE / package / "__init__.py"), "\n".join(lines))
                )
            )
            + "\n"
        )
    return "\n".join(parts)


def _first_words(file: Path) -> str:
    paragraph = (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
    return re.split(r"(?<=[.;])\s", " ".join(paragraph.split()))[0].rstrip(".;")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
