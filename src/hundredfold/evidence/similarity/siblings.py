"""Texts that differ only by platform or version: alike in words, and still two things to do.

Trackers hold many of them ("iOS: tab bar flickers", "Android: tab bar flickers"), and they are what misleads
a search by likeness most. What counts as a platform is a list of names, with the ways each is written.
"""

from __future__ import annotations

import re
from functools import cache

from msgspec import Struct

from hundredfold.evidence.similarity.words import terms

ALIKE = 0.6  # Jaccard of the titles' other words, from which on two are taken for siblings
LEAST = 2  # other words that both titles must share: "Crash on iOS" says too little

_PLATFORMS = {
    "android": "android",
    "ios": "ios iphone ipad ipod iphoneos",
    "windows": "windows win win7 win8 win10 win11 win32 win64 windows8 windows10",
    "windowsphone": "wp7 wp8 windowsphone wp",
    "macos": "macos osx mac macosx darwin",
    "linux": "linux ubuntu debian fedora centos rhel alpine",
    "freebsd": "freebsd openbsd netbsd",
    "blackberry": "blackberry bb10 bb",
    "mobileweb": "mobileweb",
    "tizen": "tizen",
    "chrome": "chrome chromium",
    "firefox": "firefox",
    "safari": "safari",
    "edge": "edge msedge",
    "ie": "ie ie9 ie10 ie11 internetexplorer",
    "arm64": "arm64 aarch64",
    "arm": "armv6 armv7 armhf",
    "x86": "x86 i386 i686",
    "x64": "x64 amd64 x86_64",
    "postgresql": "postgresql postgres",
    "mysql": "mysql mariadb",
    "sqlite": "sqlite sqlite3",
}
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_VERSION = re.compile(r"(?<![\w.])v?(\d{1,4}(?:\.\d{1,4}){1,3})(?![\w]|\.\d)", re.IGNORECASE)
_NUMBERED = re.compile(r"\b([A-Za-z]{2,20})[ -]?(\d{1,3})\b(?!\.\d)")


class Marks(Struct, frozen=True):
    """What a title names of platforms and versions, and its other words."""

    platforms: frozenset[str]
    versions: frozenset[str]
    rest: frozenset[str]


def marks(title: str) -> Marks:
    """What a title names."""
    known = _names()
    platforms: set[str] = set()
    for word in _WORD.findall(title):
        if found := known.get(word.lower()):
            platforms.add(found)
    versions = {found.removesuffix(".0") for found in _VERSION.findall(title)}
    for name, number in _NUMBERED.findall(title):
        if platform := known.get(name.lower()):
            versions.add(f"{platform} {number}")
    plain = _NUMBERED.sub(lambda one: " " if one[1].lower() in known else one[0], title)
    plain = _WORD.sub(lambda one: " " if one[0].lower() in known else one[0], _VERSION.sub(" ", plain))
    return Marks(frozenset(platforms), frozenset(versions), frozenset(terms(plain)))


def sibling(one: Marks, other: Marks) -> str:
    """Why two are siblings, in a few words; "" if they are not."""
    shared = len(one.rest & other.rest)
    if shared < LEAST or shared < ALIKE * len(one.rest | other.rest):
        return ""
    for what, here, there in (
        ("platform", one.platforms, other.platforms),
        ("version", one.versions, other.versions),
    ):
        if here and there and not here & there:
            return f"differs by {what}: {', '.join(sorted(here))} / {', '.join(sorted(there))}"
    return ""


@cache
def _names() -> dict[str, str]:
    return {name: platform for platform, written in _PLATFORMS.items() for name in written.split()}
