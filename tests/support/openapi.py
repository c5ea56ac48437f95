"""GitHub's own OpenAPI description, fetched once from npm, and a check of what a forge answers against it."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

PACKAGE, VERSION = "@octokit/openapi", "23.0.2"
MEMBER = "package/generated/api.github.com.json"
FETCH_TIMEOUT_S = 170


def fetched(package: str, version: str, member: str) -> Path:
    """A file of an npm package, kept in the user's cache; the test is skipped where there is no npm."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "hundredfold-tests"
    name = f"{package.replace('/', '-').lstrip('@')}-{version}"
    kept = home / f"{name}-{Path(member).name}"
    if kept.exists():
        return kept
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed, so GitHub's description can't be fetched")
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home) as scratch:
        subprocess.run(
            ["npm", "pack", "--silent", "--pack-destination", scratch, f"{package}@{version}"],
            check=True,
            capture_output=True,
            timeout=FETCH_TIMEOUT_S,
        )
        with tarfile.open(Path(scratch) / f"{name}.tgz") as archive:
            file = archive.extractfile(member)
            assert file is not None
            (Path(scratch) / "file").write_bytes(file.read())
        (Path(scratch) / "file").replace(kept)
    return kept


@functools.cache
def description() -> Description:
    """The description, read once a process."""
    return Description(json.loads(fetched(PACKAGE, VERSION, MEMBER).read_bytes()))


class Description:
    """Says of a request and its answer what the description does not allow."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.paths: dict[str, Any] = document["paths"]
        self._components = document["components"]
        schemas = {name: _modern(one) for name, one in self._components["schemas"].items()}
        root = Resource.from_contents({"components": {"schemas": schemas}}, DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource("", root).with_resource("urn:github", root)
        self._validators: dict[str, Draft202012Validator] = {}

    def faults(self, operation: str, raw: bytes, status: int, body: Any) -> list[str]:
        """What is wrong with this answer (and with the request that got it, if it was accepted)."""
        method, _, path = operation.partition(" ")
        found = self.paths.get(path, {}).get(method.lower())
        if found is None:
            return [f"{operation} is not in the description"]
        if status in (401, 304):  # every operation may answer so; 401 is not always written out
            return []
        response = found["responses"].get(str(status))
        if response is None:
            # 403, 404, 405, 422, 429: errors that the prose documents and the description often leaves out
            if status >= 400:
                schema = self._components["schemas"]["basic-error"]
                return self._check(f"{operation} {status}", schema, body)
            return [f"{operation} may not answer {status}"]
        if "$ref" in response:
            response = self._components["responses"][response["$ref"].rpartition("/")[2]]
        wrong = []
        content = response.get("content", {}).get("application/json")
        if content is None:
            if body is not None and not isinstance(body, bytes) and status < 400:
                wrong.append(f"{operation} {status} has a body that the description does not know")
        elif not isinstance(body, bytes):
            wrong += self._check(f"{operation} {status}", content.get("schema", {}), body)
        request = found.get("requestBody", {}).get("content", {}).get("application/json")
        if status < 300 and raw and request is not None:
            wrong += self._check(f"{operation} request", request.get("schema", {}), json.loads(raw))
        return wrong

    def _check(self, where: str, schema: dict[str, Any], body: Any) -> list[str]:
        if where not in self._validators:
            self._validators[where] = Draft202012Validator(_modern(schema), registry=self._registry)
        errors = self._validators[where].iter_errors(body)
        return [f"{where}: {_told(one)}" for one in islice(errors, 5)]


def _told(error: jsonschema.ValidationError) -> str:
    place = "/".join(map(str, error.absolute_path))
    best = jsonschema.exceptions.best_match([error])
    return f"{place}: {(best or error).message[:300]} {list(map(str, (best or error).absolute_path))}"


def _modern(schema: Any) -> Any:
    """OpenAPI 3.0 as JSON Schema: `nullable` becomes a type, references point to the one document.

    Two mistakes of the description are mended: `null` left out of a nullable enum, and an account that must
    be a user and an enterprise at once. Formats are not checked.
    """
    if isinstance(schema, list):
        return [_modern(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if [one.get("title") for one in schema.get("allOf", [])] == ["Simple User", "Enterprise"]:
        schema = {"anyOf" if name == "allOf" else name: value for name, value in schema.items()}
    made: dict[str, Any] = {}
    for name, value in schema.items():
        if name in ("example", "examples", "description", "format", "nullable", "discriminator", "default"):
            continue
        if name == "$ref":
            made[name] = str(value).replace("#/", "urn:github#/")
        elif name == "properties":
            made[name] = {key: _modern(one) for key, one in value.items()}
        elif name == "enum":
            made[name] = [*value, None] if None not in value and schema.get("nullable") else value
        else:
            made[name] = _modern(value)
    if schema.get("nullable") is True:
        if isinstance(made.get("type"), str):
            made["type"] = [made["type"], "null"]
        elif "enum" not in made or "type" not in made:
            return {"anyOf": [made, {"type": "null"}]}
    return made
