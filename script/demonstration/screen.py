"""What the demo says, and how it looks."""

import os
import sys
import textwrap
import time

WIDTH = 100
INDENT = " " * 10


class OutputGone(Exception):
    """Nobody can read what we say any more: the terminal is closed or the reader of our pipe has ended."""


class Screen:
    """Lines with the seconds since the start before them; colour and a line that changes only on a terminal."""

    def __init__(self):
        self._started = time.monotonic()
        self._terminal = sys.stdout.isatty()
        self._coloured = self._terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM", "dumb") != "dumb"
        self._gone = False
        self._transient = False
        sys.stdout.reconfigure(encoding="utf-8", errors="replace", line_buffering=True)

    @property
    def elapsed(self):
        """Seconds since the start."""
        return time.monotonic() - self._started

    def heading(self, text):
        """Begins a part."""
        self._write(f"\n{self._paint('1', text)}\n")

    def say(self, text):
        """One thing that happened."""
        self._wrapped(text, None)

    def seen(self, text):
        """One thing that was promised and is now seen."""
        self._wrapped(f"✓ {text}", "32")

    def missed(self, text):
        """One thing that was promised and was not seen."""
        self._wrapped(f"✗ {text}", "31")

    def quote(self, line):
        """A line of a program, word for word."""
        folded = textwrap.wrap(
            line, WIDTH, initial_indent="  ", subsequent_indent="      ", break_on_hyphens=False, break_long_words=False)
        self._write("".join(f"{self._paint('2', part)}\n" for part in folded or [""]))

    def plain(self, text):
        """Text as it is."""
        self._write(f"{text}\n")

    def command(self, text):
        """Something that a person could have typed."""
        self._write(f"{INDENT}{self._paint('36', '$ ' + text)}\n")

    def row(self, good, name, evidence):
        """A line of the summary."""
        mark = self._paint("32", "✓") if good else self._paint("31", "✗")
        lines = textwrap.wrap(evidence, WIDTH - 46, break_on_hyphens=False) or [""]
        self._write(f"  {mark} {name:<42}{lines[0]}\n" + "".join(f"{'':46}{line}\n" for line in lines[1:]))

    def progress(self, text):
        """On a terminal, a line that the next one replaces; nothing elsewhere. Whether it was shown."""
        if self._terminal:
            width = min(WIDTH, os.get_terminal_size(sys.stdout.fileno()).columns or WIDTH)
            self._emit(f"\r\033[K{f'{self.elapsed:6.1f} s  {text}'[: width - 1]}")
            self._transient = True
        return self._terminal

    def _wrapped(self, text, colour):
        lines = textwrap.wrap(text, WIDTH - len(INDENT), break_on_hyphens=False, break_long_words=False)
        indents = [f"{self.elapsed:6.1f} s  "] + [INDENT] * (len(lines) - 1)
        self._write("".join(
            f"{indent}{self._paint(colour, line) if colour else line}\n" for indent, line in zip(indents, lines)))

    def _paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self._coloured else text

    def _write(self, text):
        if self._transient:
            self._transient = False
            text = "\r\033[K" + text
        self._emit(text)

    def _emit(self, text):
        if self._gone:
            return
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError as error:
            self._gone = True
            # Python flushes once more at its end, and would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise OutputGone from error
