# SPDX-License-Identifier: Apache-2.0
"""What the house tests share: the tree, C text without comments and strings, allowed exceptions, the report."""
import functools
import os
import re
import sys

HOUSE = os.path.dirname(os.path.realpath(__file__))  # through Bazel's links, into the source tree
ROOT = os.path.dirname(os.path.dirname(HOUSE))
ROOMS = ("cmd", "core", "deploy", "proto", "tests", ".ci", ".github")
TEXT = (".c", ".h", ".def", ".proto", ".py", ".bzl", ".bazel", ".BUILD", ".md", ".sh", ".yaml", ".yml",
        ".json", ".txt", ".html", ".css", ".js", "")


@functools.lru_cache(maxsize=None)
def files(*endings, under=ROOMS):
    """Paths from the root, sorted, of the files with one of `endings` (all when none is given)."""
    found = []
    for room in under:
        for folder, folders, names in os.walk(os.path.join(ROOT, room)):
            folders[:] = [f for f in folders if f not in ("corpus", "__pycache__", "node_modules")]
            found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names]
    return tuple(sorted(f for f in found if not endings or f.endswith(endings)))


@functools.lru_cache(maxsize=None)
def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


_BLANKED = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)


def _blank(match):
    text = match.group(0)
    if text[0] in "\"'":
        return text[0] + "_" * (len(text) - 2) + text[0]
    return re.sub(r"[^\n]", " ", text)


@functools.lru_cache(maxsize=None)
def code(path):
    """The text of a C file in which comments are blank and strings hold underscores: same lines, same columns."""
    return _BLANKED.sub(_blank, read(path))


@functools.lru_cache(maxsize=None)
def code_without_macros(path):
    """code() without preprocessor lines (and their continuations)."""
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: "\n" * m.group(0).count("\n"), code(path),
                  flags=re.MULTILINE)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


class Allowed:
    """tests/house/allowed.txt: RULE SUBJECT REASON, one exception a line; an unused one is an error."""

    def __init__(self):
        self.rows = {}
        self.used = set()
        for line in read("tests/house/allowed.txt").split("\n"):
            if line.strip() and not line.startswith("#"):
                rule, subject, reason = line.split(None, 2)
                self.rows[rule, subject] = reason

    def has(self, rule, subject):
        if (rule, subject) in self.rows:
            self.used.add((rule, subject))
            return True
        return False

    def unused(self, rules):
        return [f"tests/house/allowed.txt: \"{rule} {subject}\" excuses nothing any more: remove it"
                for rule, subject in self.rows if rule in rules and (rule, subject) not in self.used]


class Report:
    """Collects what breaks which rule, prints it, and closes with the number of rules kept and broken."""

    def __init__(self, *rules):
        self.broken = {rule: [] for rule in rules}
        self.allowed = Allowed()

    def add(self, rule, subject, where, words):
        """`subject` is what allowed.txt may name: a path, or a path and a name as path:name."""
        if not self.allowed.has(rule, subject):
            self.broken[rule].append(f"{where}: {words}")

    def close(self):
        for rule, found in self.broken.items():
            for line in found:
                print(f"{rule}: {line}")
        stale = self.allowed.unused(self.broken)
        for line in stale:
            print(line)
        failed = sum(1 for found in self.broken.values() if found) + bool(stale)
        print(f"{len(self.broken) + bool(stale) - failed} passed, {failed} failed")
        sys.exit(1 if failed else 0)
