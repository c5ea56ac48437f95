"""tree-sitter grammars by file suffix, loaded when first needed, and what a definition is in each language."""

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
    "function_declaration generator_function_declaration method_definition arrow_function function_expression "
    "function generator_function"
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
    "method_declaration constructor_declaration property_declaration operator_declaration local_function_statement",
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
    **dict.fromkeys((".c", ".h"), _C),
    **dict.fromkeys((".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx"), _CPP),
    ".cs": _CSHARP,
    **dict.fromkeys((".rb", ".rake"), _RUBY),
    ".php": _PHP,
}


def grammar_of(path: str) -> Grammar | None:
    """The grammar for a path's suffix, if there is one."""
    return _BY_SUFFIX.get(PurePosixPath(path).suffix.lower())


@cache
def parser_of(package: str, entry: str) -> Parser:
    """A parser of the grammar. Parsers keep no state between parses but are one thread's at a time."""
    from tree_sitter import Language, Parser

    return Parser(Language(getattr(importlib.import_module(package), entry)()))
