# SPDX-License-Identifier: Apache-2.0
"""Runs Bazel and says in words how far it is.

Bazel draws its progress with cursor movements. Screen undraws them: what it leaves standing are Bazel's
messages (shown when something fails), what it would overwrite is the progress, which becomes one line.
"""
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time

EVERY_S = 10  # between two lines, when nobody watches a terminal
COLUMNS = 4000  # Bazel breaks its lines here, and nowhere in reach
RATE_WINDOW_S = 120  # the estimate of the time left looks at this much of the past
_STEP = re.compile(r"\[([\d,]+) / ([\d,]+)\] ?(.*)")
_TESTS = re.compile(r"(\d+) / (\d+) tests(?:, [^;]*)?;? ?(.*)")
_NOISE = re.compile(r"\s*$|INFO: |Loading:|Analyzing:|DEBUG: |\[[\d,]+ / |\s{4,}\S.*; \d+s |"
                    r"Starting local Bazel|\$TEST_TMPDIR|    currently loading:|    Fetching |"
                    r"Extracting Bazel|Building:|checking cached|\s*\[(?:Prepa|Sched|Scann)\]")
_THIRD_PARTY = re.compile(r"external/|src/core/|third_party/|grpc|boringssl")


class Screen:
    """A terminal of one column's patience: text, carriage return, line feed, cursor up, erase line."""

    def __init__(self):
        self.lines = [""]
        self.row = 0
        self.begun = ""  # a control sequence that the next bytes will end

    def feed(self, text):
        text = self.begun + text
        self.begun = re.search(r"(?:\x1b(?:\[[0-9;]*)?)?\Z", text).group(0)
        text = text[:len(text) - len(self.begun)]
        for piece in re.split(r"(\x1b\[[0-9;]*[A-Za-z]|\r|\n)", text):
            if piece == "\n":
                self.row += 1
                if self.row == len(self.lines):
                    self.lines.append("")
            elif piece == "\r":
                pass
            elif piece.startswith("\x1b["):
                self._control(piece)
            elif piece:
                self.lines[self.row] += piece

    def _control(self, piece):
        if piece[-1] == "A":
            self.row = max(0, self.row - int(piece[2:-1] or 1))
        elif piece[-1] == "K":
            self.lines[self.row] = ""

    def messages(self):
        return [line for line in self.lines if not _NOISE.match(line)]

    def progress(self):
        for at in range(len(self.lines) - 1, max(-1, len(self.lines) - 24), -1):
            if _STEP.match(self.lines[at]) or self.lines[at].startswith(("Loading:", "Analyzing:")):
                return self.lines[at:]
        return []


def _number(text):
    return int(text.replace(",", ""))


def _time_left(seconds):
    if seconds < 50:
        return "less than a minute left"
    return f"about {round(seconds / 60) or 1} min left"


class Teller:
    """Makes the line of words, and shows it: in place on a terminal, every EVERY_S seconds elsewhere."""

    def __init__(self, who, out=sys.stdout):
        self.who = who
        self.out = out
        self.live = out.isatty()
        self.shown = ""
        self.shown_at = time.monotonic()
        self.past = []
        self.what = "building"

    def tell(self, progress):
        line = self._words(progress)
        now = time.monotonic()
        if line is None or line == self.shown or (not self.live and now - self.shown_at < EVERY_S):
            return
        self.shown, self.shown_at = line, now
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            self.out.write("\r" + f"{self.who}: {line}"[:width] + "\033[K")
        else:
            self.out.write(f"{self.who}: {line}\n")
        self.out.flush()

    def wipe(self):
        if self.live and self.shown:
            self.out.write("\r\033[K")
            self.out.flush()

    def _words(self, progress):
        if not progress:
            return None
        step = _STEP.match(progress[0])
        if not step:
            fetching = any("Fetching" in line or "fetching" in line for line in progress)
            return "fetching the pinned source releases" if fetching else "reading the build files"
        done, total = _number(step.group(1)), _number(step.group(2))
        tests = _TESTS.match(step.group(3))
        if tests and re.search(r"Testing //", " ".join(progress)):
            return f"testing: {tests.group(1)} of {tests.group(2)} test programs are through"
        what = self._what(" ".join([step.group(3)] + progress[1:]))
        percent = f"{100 * done // total} %" if total else "0 %"
        return f"{what}: {done:,} of {total:,} ({percent}){self._left(done, total)}"

    def _what(self, actions):
        if "Compiling" in actions:
            files = " ".join(re.findall(r"Compiling (\S+)", actions))
            third_party = _THIRD_PARTY.search(files)
            self.what = "compiling gRPC and BoringSSL" if third_party else "compiling Signet"
        elif "Linking" in actions:
            self.what = "linking"
        return self.what

    def _left(self, done, total):
        now = time.monotonic()
        self.past.append((now, done))
        while now - self.past[0][0] > RATE_WINDOW_S:
            self.past.pop(0)
        began, before = self.past[0]
        if now - began < 15 or done <= before or total - done < 5:
            return ""
        return ", " + _time_left((total - done) * (now - began) / (done - before))


def environment():
    """The caller's environment with a HOME, which Bazel and pip need and CI may not set."""
    env = dict(os.environ)
    home = env.get("HOME", "")
    if not os.path.isdir(home) or not os.access(home, os.W_OK):
        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:
            home = ""
        if not os.path.isdir(home) or not os.access(home, os.W_OK):
            home = f"/var/tmp/signet-{os.getuid()}"
            os.makedirs(home, mode=0o700, exist_ok=True)
        env["HOME"] = home
    return env


def cache_of(env):
    return os.path.join(env["HOME"], ".cache", "signet-bazel")


def bazel(root, command, arguments, who="build", out=sys.stdout):
    """Runs `bazel command arguments` in `root`. Gives its exit code and its messages, shown nowhere yet."""
    env = environment()
    line = ["bazel", command, "--curses=yes", "--color=no", "--show_progress_rate_limit=1",
            f"--terminal_columns={COLUMNS}", "--ui_event_filters=-info",
            f"--disk_cache={cache_of(env)}"] + arguments
    screen, teller = Screen(), Teller(who, out)
    process = subprocess.Popen(line, cwd=root, env=env, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        while True:
            some = os.read(process.stdout.fileno(), 65536)
            if not some:
                break
            screen.feed(some.decode("utf-8", "replace"))
            teller.tell(screen.progress())
        code = process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait()
        code = 130
    teller.wipe()
    return code, screen.messages()
