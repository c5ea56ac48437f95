"""Generated answers obey the schema they were made for, whatever the schema."""

from __future__ import annotations

from random import Random
from typing import Any

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.simulation.provider.example import example

_numbers = st.integers(-50, 50).flatmap(
    lambda low: st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={"minimum": st.just(low), "maximum": st.integers(low, low + 100)},
    )
)
_strings = st.integers(0, 20).flatmap(
    lambda least: st.fixed_dictionaries(
        {"type": st.just("string")},
        optional={"minLength": st.just(least), "maxLength": st.integers(least, least + 30)},
    )
)
_leaves = st.one_of(
    _numbers,
    _strings,
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.just({"type": ["string", "null"]}),
    st.lists(st.text(max_size=5), min_size=1, max_size=4, unique=True).map(lambda some: {"enum": some}),
    st.integers().map(lambda value: {"const": value}),
)


def _nested(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    objects = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), inner, max_size=4).map(
        lambda properties: {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
    )
    arrays = st.tuples(inner, st.integers(0, 3), st.integers(0, 3)).map(
        lambda parts: {
            "type": "array",
            "items": parts[0],
            "minItems": parts[1],
            "maxItems": parts[1] + parts[2],
        }
    )
    unions = st.lists(inner, min_size=1, max_size=3).map(lambda some: {"anyOf": some})
    return st.one_of(objects, arrays, unions)


@settings(max_examples=150, deadline=None)
@given(schema=st.recursive(_leaves, _nested, max_leaves=12), seed=st.integers(0, 1000))
def test_an_answer_obeys_any_schema(schema: dict[str, Any], seed: int) -> None:
    jsonschema.validate(example(schema, Random(seed)), schema)


def test_local_references_and_merged_schemas_are_followed() -> None:
    schema = {
        "$defs": {
            "tree": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name", "children"],
                "properties": {
                    "name": {"type": "string", "minLength": 1},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}, "maxItems": 3},
                },
            }
        },
        "allOf": [{"$ref": "#/$defs/tree"}],
    }
    for seed in range(20):
        jsonschema.validate(example(schema, Random(seed)), schema)


def test_a_seed_gives_the_same_answer_again() -> None:
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}
    assert example(schema, Random(3)) == example(schema, Random(3))
    assert len({str(example(schema, Random(seed))) for seed in range(10)}) > 5
