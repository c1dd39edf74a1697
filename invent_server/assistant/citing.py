"""The numbers in square brackets with which a model names its passages, checked while the text is still coming.

Nothing is let through that may have to be taken back: a bracket is held until it closes, and so is what may become the
words for "no answer" and "a person".
"""

from __future__ import annotations

import re

UNKNOWN = "NO_ANSWER"
"""What a model writes when the passages do not answer."""
PERSON = "HAND_OVER"
"""What it writes when the instructions want a person to answer."""
_LONGEST = 24  # characters between brackets that may still be numbers
_NUMBERS = re.compile(r"[\[【]\s*\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*\s*[\]】]")
_OPEN = re.compile(rf"\s*[\[【][^\]】\n]{{0,{_LONGEST}}}\Z|\s+\Z")
_THOUGHT = re.compile(r"\A\s*<think>.*?</think>\s*", re.DOTALL)


class Citing:
    """Filters one answer. `passages`: how many there are; the marks are numbered anew in the order of their use."""

    def __init__(self, passages: int) -> None:
        self._passages = passages
        self._held = ""
        self._start = True
        self.cited: list[int] = []
        """The passages used (0 = the first), in the order of their new numbers."""
        self.unknown = False
        self.person = False
        self.text = ""
        """What was let through."""

    def feed(self, piece: str) -> str:
        """The next piece of the model; what of it, and of what was held, can be shown."""
        self._held += piece
        if self._start:
            self._held = _THOUGHT.sub("", self._held).lstrip()
            if not self._held or "<think>".startswith(self._held[:7]):
                return ""
            self._start = False
        keep = self._kept()
        ready, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return self._through(ready)

    def finish(self) -> str:
        """The rest, after the last piece."""
        rest, self._held = self._held, ""
        return self._through(rest if not rest.startswith("<think>") else "").rstrip()

    def _kept(self) -> int:
        """Characters at the end that must wait for what follows."""
        open_ = _OPEN.search(self._held)
        kept = len(self._held) - open_.start() if open_ else 0
        for word in (UNKNOWN, PERSON):
            for size in range(min(len(word), len(self._held)), 0, -1):
                if self._held.endswith(word[:size]):
                    kept = max(kept, size)
                    break
        return kept

    def _through(self, text: str) -> str:
        if UNKNOWN in text:
            self.unknown = True
            text = text.replace(UNKNOWN, "")
        if PERSON in text:
            self.person = True
            text = text.replace(PERSON, "")
        text = re.sub(rf"(\s*)({_NUMBERS.pattern})", lambda found: self._marks(found[1], found[2]), text)
        self.text += text
        return text

    def _marks(self, gap: str, mark: str) -> str:
        """A mark with the new numbers of the passages that exist; nothing when none does."""
        known: list[int] = []
        for part in re.split(r"[,;]", mark[1:-1]):
            ends = [int(number) for number in re.split(r"[–-]", part)]
            for number in range(ends[0], min(ends[-1], self._passages) + 1):
                if 1 <= number <= self._passages and number - 1 not in known:
                    known.append(number - 1)
        for passage in known:
            if passage not in self.cited:
                self.cited.append(passage)
        marks = "".join(f"[{self.cited.index(passage) + 1}]" for passage in known)
        return f"{gap}{marks}" if marks else ""
