#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the groups of tests/groups with Bazel, counts their test cases, prints a table.

Bazel's own count is of test programs. Here each Criterion case counts, and each line that a script
counts itself ("N passed, N failed" as its last line); any other script is one case. Results that Bazel
has in its cache count as they were. A test that skips itself prints "SKIP: why" and exits 0.
"""
import json
import os
import re
import sys
import tempfile
import time
import urllib.parse

SUPPORT = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(SUPPORT))
sys.path.insert(0, os.path.join(ROOT, "deploy", "deps"))
import progress  # noqa: E402

LOG_LINES = 300  # of a failed test's log, from its end
# Criterion names a socket in /tmp by its process id: in a sandbox with process ids of its own two tests at
# once take the same one ("Could not initialize the message server: Address already in use").
SANDBOX = "--strategy=TestRunner=processwrapper-sandbox"
CRITERION = re.compile(r"Synthesis: Tested: (\d+) \| Passing: (\d+) \|")
SCRIPT = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.MULTILINE)
SKIP = re.compile(r"^SKIP: (.*)$", re.MULTILINE)
HEADER = re.compile(r"\Aexec [^\n]*\nExecuting tests from [^\n]*\n-+\n")
SAID_ELSEWHERE = re.compile(r"FAIL: //|FAILED: |Executed \d+ out of|There were tests whose|Use --sandbox_debug|"
                            r"\s*\[(?:Prepa|Sched|Scann)\]|\s*(?:Testing|Compiling|Linking) ")
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


class Tally:
    """What became of some test cases."""

    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def ran(self):
        return self.passed + self.failed + self.skipped

    def __str__(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


class Group:
    def __init__(self, line):
        self.name, default, config, what, self.words = [part.strip() for part in line.split("|")]
        self.default = default == "yes"
        self.options = [] if config == "-" else ["--config=" + config]
        self.patterns = [p for p in what.split() if has_targets(p)]


def has_targets(pattern):
    """Is there a BUILD file at or below a pattern like //tests/unit/...?"""
    folder = os.path.join(ROOT, pattern.lstrip("-").lstrip("/").removesuffix("..."))
    return any("BUILD.bazel" in files for _, _, files in os.walk(folder))


def read_groups():
    with open(os.path.join(ROOT, "tests", "groups"), encoding="utf-8") as file:
        return [Group(line) for line in file if line.strip() and not line.startswith("#")]


def say(text):
    print(text, flush=True)


def read_log(uri):
    path = urllib.parse.unquote(urllib.parse.urlparse(uri).path)
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return HEADER.sub("", ESCAPES.sub("", file.read()))
    except OSError as error:
        return f"(no log: {error})"


def count(log, passed):
    """The tally of one test program: its own word where it counts, else one case."""
    tally = Tally()
    for tested, passing in CRITERION.findall(log):
        tally.add(Tally(int(passing), int(tested) - int(passing)))
    scripts = SCRIPT.findall(log)
    if scripts and tally.ran() == 0:
        tally = Tally(*(int(number or 0) for number in scripts[-1]))
    if tally.ran() == 0:
        tally = Tally(skipped=1) if passed and SKIP.search(log) else Tally(passed=int(passed))
    if not passed and tally.failed == 0:
        tally.failed += 1  # it stopped before it could say so, or a leak was found after the last case
    return tally


def events_of(path):
    with open(path, encoding="utf-8") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:
                return


class Outcome:
    """What Bazel's event file says of one group."""

    def __init__(self, path):
        self.tally = Tally()
        self.failures = []  # (label, words, log)
        self.reasons = []  # why something was skipped
        for event in events_of(path):
            if "testResult" in event["id"]:
                self._test(event["id"]["testResult"]["label"], event.get("testResult", {}))
            elif "targetCompleted" in event["id"]:
                self._target(event["id"]["targetCompleted"]["label"], event)

    def _test(self, label, result):
        status = result.get("status", "NO_STATUS")
        logs = [out["uri"] for out in result.get("testActionOutput", []) if out["name"] == "test.log"]
        log = read_log(logs[0]) if logs else "(no log)"
        passed = status in ("PASSED", "FLAKY")
        if status == "NO_STATUS":
            return  # not built: its target says so
        self.tally.add(count(log, passed))
        self.reasons += [f"{label}: {reason}" for reason in SKIP.findall(log)]
        if not passed:
            self.failures.append((label, status.lower(), log))

    def _target(self, label, event):
        known = any(label == failed for failed, _, _ in self.failures)
        if not event.get("completed", {}).get("success", False) and not known:
            self.tally.add(Tally(failed=1))
            self.failures.append((label, "did not build", ""))


def show_failure(label, words, log):
    lines = log.rstrip().split("\n") if log else []
    say(f"--- {label}: {words}")
    if len(lines) > LOG_LINES:
        say(f"(its last {LOG_LINES} lines of {len(lines)})")
    for line in lines[-LOG_LINES:]:
        say(f"    {line}"[:400])


def run(group):
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        events = os.path.join(folder, "events.json")
        code, messages = progress.bazel(ROOT, "test", group.options + [
            "--keep_going", "--test_output=summary", "--test_summary=none", SANDBOX,
            f"--build_event_json_file={events}", "--"] + group.patterns, who=group.name)
        outcome = Outcome(events) if os.path.exists(events) else None
    took_s = time.monotonic() - began
    if outcome is None:
        outcome = Outcome(os.devnull)
    if code != 0 and not outcome.failures:
        outcome.tally.add(Tally(failed=1))
        outcome.failures.append((group.name, f"bazel ended with code {code}", ""))
    if any(words == "did not build" or words.startswith("bazel") for _, words, _ in outcome.failures):
        for line in messages:
            if not SAID_ELSEWHERE.match(line):
                say(f"    {line}")
    for failure in outcome.failures:
        show_failure(*failure)
    for reason in outcome.reasons:
        say(f"{group.name}: skipped {reason}")
    say(f"{group.name}: {outcome.tally} in {took_s:.0f} s")
    return outcome.tally, took_s, code


def main(names):
    groups = [g for g in read_groups() if (g.name in names if names else g.default and g.patterns)]
    total, rows = Tally(), []
    if not os.path.isdir(progress.cache_of(progress.environment())):
        say("The first build compiles gRPC core and BoringSSL from their pinned source: about 15 min on two")
        say("cores. Their objects are kept: every later build, of any configuration, takes them from there.")
    for group in groups:
        if not group.patterns:
            say(f"{group.name}: there are no such tests yet")
            continue
        tally, took_s, code = run(group)
        total.add(tally)
        rows.append((group.name, tally, took_s))
        if code == 130:
            break
    say(f"\n{'group':<10} {'passed':>7} {'failed':>7} {'skipped':>7} {'seconds':>8}")
    for name, tally, took_s in rows:
        say(f"{name:<10} {tally.passed:>7} {tally.failed:>7} {tally.skipped:>7} {took_s:>8.0f}")
    say(f"\n{total}")
    return 0 if total.failed == 0 and total.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
