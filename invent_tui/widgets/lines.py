"""Widgets that draw lines themselves: nothing is laid out by the framework, and only lines that changed are sent.

External text reaches the terminal as plain segments alone; it is never parsed as markup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rich.segment import Segment
from rich.style import Style
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from invent_tui.cells import Line

if TYPE_CHECKING:
    from invent_tui.app import InventApp


def strip_of(line: Line, styles: dict[str, Style], width: int) -> Strip:
    """A line of pieces as a strip of exactly `width` cells."""
    base = styles["text"]
    segments: list[Segment] = []
    for role, text in line:
        style = styles.get(role, base)
        if segments and segments[-1].style is style:  # fewer colour sequences on the wire
            segments[-1] = Segment(segments[-1].text + text, style)
        elif text:
            segments.append(Segment(text, style))
    return Strip(segments).crop_extend(0, width, base)


class LineBar(Widget):
    """One line of text; painted only when it changed."""

    DEFAULT_CSS = "LineBar { height: 1; }"

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._line: Line = ()

    @property
    def line(self) -> Line:
        return self._line

    def show(self, line: Line) -> None:
        """Draw `line` from now on."""
        if line != self._line:
            self._line = line
            self.refresh()

    def render_line(self, y: int) -> Strip:
        app = cast("InventApp", self.app)
        return strip_of(self._line if y == 0 else (), app.role_styles, self.size.width)


class LineBlock(Widget):
    """A few lines of text, as high as they are many."""

    DEFAULT_CSS = "LineBlock { height: auto; }"

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[Line] = []

    def show(self, lines: list[Line]) -> None:
        """Draw these lines from now on."""
        if lines != self._lines:
            self._lines = lines
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines)

    def render_line(self, y: int) -> Strip:
        app = cast("InventApp", self.app)
        line = self._lines[y] if y < len(self._lines) else ()
        return strip_of(line, app.role_styles, self.size.width)


class LineView(ScrollView, can_focus=True):
    """A scrolling column of lines. A subclass tells `height_of_all` and gives each line by `line_at`."""

    DEFAULT_CSS = """
    LineView { scrollbar-size: 0 0; overflow-x: hidden; }
    """

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._strips: LRUCache[tuple[Line, int], Strip] = LRUCache(1024)

    def line_at(self, y: int) -> Line:
        """The line at `y` of the content."""
        raise NotImplementedError

    def height_of_all(self) -> int:
        """How many lines there are."""
        raise NotImplementedError

    def restyle(self) -> None:
        """The theme changed."""
        self._strips.clear()
        self.refresh()

    def laid_out(self, top: int | None = None) -> None:
        """The lines are other ones now; `top` is the first visible one from now on."""
        self.virtual_size = Size(self.content_size.width, self.height_of_all())
        if top is not None:
            self.scroll_to(y=max(0, top), animate=False, immediate=True, force=True)
        self.refresh()

    def repaint(self, y: int, height: int = 1, x: int = 0, width: int | None = None) -> None:
        """Paint lines `y`.. of the content again, if they are visible."""
        region = Region(x, y - self.scroll_offset.y, width or self.size.width, height)
        visible = region.intersection(self.size.region)
        if visible:
            self.refresh(visible)

    @property
    def at_bottom(self) -> bool:
        """The last line is visible."""
        return self.scroll_offset.y >= self.max_scroll_y

    def show_line(self, y: int, height: int = 1, margin: int = 0) -> None:
        """Scroll as little as needed to see lines `y` .. `y + height`."""
        top, page = self.scroll_offset.y, self.size.height
        if y - margin < top:
            self.scroll_to(y=max(0, y - margin), animate=False, immediate=True, force=True)
        elif y + height + margin > top + page:
            self.scroll_to(y=y + height + margin - page, animate=False, immediate=True, force=True)

    def scroll_lines(self, lines: int) -> None:
        """Scroll by lines, at once."""
        self.scroll_to(y=self.scroll_offset.y + lines, animate=False, immediate=True, force=True)

    def render_line(self, y: int) -> Strip:
        at = y + self.scroll_offset.y
        line = self.line_at(at) if at < self.height_of_all() else ()
        width = self.size.width
        strip = self._strips.get((line, width))
        if strip is None:
            app = cast("InventApp", self.app)
            strip = self._strips[line, width] = strip_of(line, app.role_styles, width)
        return strip
