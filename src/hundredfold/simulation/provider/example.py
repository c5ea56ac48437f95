"""A value that obeys a JSON schema, drawn from a seeded generator. Any schema, no knowledge of its meaning.

Covers types (and lists of them), `const`, `enum`, `required`, bounds on numbers, lengths and items,
`multipleOf`, `anyOf`, `oneOf`, `allOf`, nesting and local `$ref`. `pattern` is not obeyed.
"""

from __future__ import annotations

import math
from random import Random
from typing import Any

Schema = dict[str, Any]

DEEPEST = 8
_WORDS = ("simulated", "answer", "of", "no", "model", "about", "the", "code", "it", "may", "do", "this")
_FORMATS = {
    "date-time": "2026-01-02T03:04:05Z",
    "date": "2026-01-02",
    "time": "03:04:05Z",
    "email": "nobody@example.org",
    "uri": "https://example.org/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "127.0.0.1",
    "hostname": "example.org",
}


def example(schema: Schema, random: Random) -> Any:
    """A value that obeys `schema`."""
    return _Maker(schema, random).make(schema, 0)


class _Maker:
    def __init__(self, root: Schema, random: Random) -> None:
        self._root = root
        self._random = random

    def make(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, dict):
            return None
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._random.choice(schema["enum"])
        for key in ("anyOf", "oneOf"):
            if schema.get(key):
                return self.make(self._branch(schema[key], depth), depth + 1)
        kind = self._kind(schema, depth)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, depth)
        if kind in ("integer", "number"):
            return self._number(schema, whole=kind == "integer")
        if kind == "boolean":
            return self._random.random() < 0.5
        return self._string(schema) if kind == "string" else None

    def _resolved(self, schema: Schema) -> Schema:
        """The schema with local references followed and `allOf` merged into it."""
        for _ in range(DEEPEST):
            if "$ref" in schema:
                target: Any = self._root
                for part in str(schema["$ref"]).removeprefix("#").strip("/").split("/"):
                    name = part.replace("~1", "/").replace("~0", "~")
                    target = target.get(name, {}) if name and isinstance(target, dict) else target
                schema = {**(target if isinstance(target, dict) else {}), **_without(schema, "$ref")}
            elif schema.get("allOf"):
                merged = _without(schema, "allOf")
                for part in schema["allOf"]:
                    more = self._resolved(part)
                    merged = {
                        **merged,
                        **more,
                        "properties": {**merged.get("properties", {}), **more.get("properties", {})},
                        "required": [*merged.get("required", []), *more.get("required", [])],
                    }
                schema = merged
            else:
                break
        return schema

    def _branch(self, branches: list[Any], depth: int) -> Any:
        """One branch: not null if there is another, and the plainest one deep down."""
        branches = [branch for branch in branches if branch != {"type": "null"}] or branches
        if depth < DEEPEST:
            return self._random.choice(branches)
        return min(branches, key=lambda branch: "$ref" in branch or "properties" in branch)

    def _kind(self, schema: Schema, depth: int) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            named = [name for name in kind if name != "null"]
            return "null" if not named or ("null" in kind and depth >= DEEPEST) else str(named[0])
        if kind is None:
            if "properties" in schema or "required" in schema:
                return "object"
            return "array" if "items" in schema else "string"
        return str(kind)

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties: Schema = schema.get("properties", {})
        required = dict.fromkeys([*schema.get("required", [])])
        wanted = required if depth >= DEEPEST else dict.fromkeys([*properties, *required])
        return {name: self.make(properties.get(name, {}), depth + 1) for name in wanted}

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        least = int(schema.get("minItems", 0))
        most = max(least, min(int(schema.get("maxItems", least + 2)), least + 2))
        count = least if depth >= DEEPEST else self._random.randint(least, most)
        made: list[Any] = []
        for _ in range(count * 8):
            if len(made) == count:
                break
            value = self.make(schema.get("items", {}), depth + 1)
            if not schema.get("uniqueItems") or value not in made:
                made.append(value)
        return made

    def _number(self, schema: Schema, *, whole: bool) -> int | float:
        step = schema.get("multipleOf") or (1 if whole else None)
        low, high = schema.get("minimum"), schema.get("maximum")
        open_low, open_high = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
        edge = step or 1e-6
        if open_low is not None and (low is None or open_low >= low):
            low = open_low + edge
        if open_high is not None and (high is None or open_high <= high):
            high = open_high - edge
        if low is None:
            low = 0 if high is None or high >= 0 else high - 10
        if high is None:
            high = low + 10
        if step is None:
            value = self._random.uniform(low, max(low, high))
            return min(max(value, low), high)
        first, last = math.ceil(low / step), math.floor(high / step)
        value = self._random.randint(first, max(first, last)) * step
        return int(value) if whole else value

    def _string(self, schema: Schema) -> str:
        known = _FORMATS.get(schema.get("format", ""))
        if known is not None:
            return known
        least, most = int(schema.get("minLength", 0)), int(schema.get("maxLength", 400))
        text = " ".join(self._random.choices(_WORDS, k=self._random.randint(3, 12)))
        while len(text) < least:
            text += " " + text
        return text[: max(least, min(most, max(least, len(text))))]


def _without(schema: Schema, key: str) -> Schema:
    return {name: value for name, value in schema.items() if name != key}
