"""tree-sitter grammars by file name, loaded when first needed, and what a definition is in each language."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from tree_sitter import Parser


class Grammar(Struct, frozen=True):
    """A language: its package and entry, the node types of its functions, and of what contains them."""

    language: str
    package: str
    entry: str
    functions: frozenset[str]
    containers: frozenset[str]


def _grammar(
    language: str, functions: str, containers: str, package: str = "", entry: str = "language"
) -> Grammar:
    return Grammar(
        language,
        f"tree_sitter_{package or language}",
        entry,
        frozenset(functions.split()),
        frozenset(containers.split()),
    )


_JS_FUNCTIONS = (
    "function_declaration generator_function_declaration method_definition arrow_function "
    "function_expression generator_function"
)
_JS_CONTAINERS = "class_declaration class abstract_class_declaration internal_module"
_PYTHON = _grammar("python", "function_definition", "class_definition")
_JAVASCRIPT = _grammar("javascript", _JS_FUNCTIONS, _JS_CONTAINERS)
_TYPESCRIPT = _grammar("typescript", _JS_FUNCTIONS, _JS_CONTAINERS, "typescript", "language_typescript")
_TSX = _grammar("typescript", _JS_FUNCTIONS, _JS_CONTAINERS, "typescript", "language_tsx")
_GO = _grammar("go", "function_declaration method_declaration", "")
_RUST = _grammar("rust", "function_item macro_definition", "impl_item trait_item mod_item")
_JAVA = _grammar(
    "java",
    "method_declaration constructor_declaration compact_constructor_declaration static_initializer",
    "class_declaration interface_declaration enum_declaration record_declaration",
)
_C = _grammar("c", "function_definition", "")
_CPP = _grammar("cpp", "function_definition", "class_specifier struct_specifier namespace_definition")
_CSHARP = _grammar(
    "c#",
    "method_declaration constructor_declaration property_declaration operator_declaration "
    "local_function_statement",
    "class_declaration struct_declaration interface_declaration record_declaration namespace_declaration",
    "c_sharp",
)
_RUBY = _grammar("ruby", "method singleton_method", "class module singleton_class")
_PHP = _grammar(
    "php",
    "function_definition method_declaration",
    "class_declaration trait_declaration interface_declaration enum_declaration",
    "php",
    "language_php",
)

_BY_SUFFIX: dict[str, Grammar] = {
    **dict.fromkeys((".py", ".pyi", ".pyw"), _PYTHON),
    **dict.fromkeys((".js", ".mjs", ".cjs", ".jsx"), _JAVASCRIPT),
    **dict.fromkeys((".ts", ".mts", ".cts"), _TYPESCRIPT),
    ".tsx": _TSX,
    ".go": _GO,
    ".rs": _RUST,
    ".java": _JAVA,
    ".c": _C,
    # C++ reads nearly all of C, and a header does not say which it is.
    **dict.fromkeys((".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx", ".cu", ".ino"), _CPP),
    ".cs": _CSHARP,
    **dict.fromkeys((".rb", ".rake", ".gemspec", ".ru"), _RUBY),
    **dict.fromkeys((".php", ".phtml"), _PHP),
}
_BY_NAME = {
    "Gemfile": _RUBY,
    "Rakefile": _RUBY,
    "Vagrantfile": _RUBY,
    "SConstruct": _PYTHON,
    "wscript": _PYTHON,
}
#: node types that stand before a definition and belong to it
DECORATIONS = frozenset({"decorator", "attribute_item"})


def grammar_of(path: str) -> Grammar | None:
    """The grammar for a path's name or suffix, if there is one."""
    pure = PurePosixPath(path)
    return _BY_NAME.get(pure.name) or _BY_SUFFIX.get(pure.suffix.lower())


@cache
def parser_of(package: str, entry: str) -> Parser:
    """A parser of the grammar. Parsers keep no state between parses but are one thread's at a time."""
    from tree_sitter import Language, Parser

    return Parser(Language(getattr(importlib.import_module(package), entry)()))
