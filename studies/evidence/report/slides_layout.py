"""Where text, tables and pictures of a slide stand, measured beforehand: a presentation program only draws it.

Lengths are points (1/72 inch). A line is as high as `LEADING` times its type, set exactly, and as wide as its letters
by `slides_letters`, never less than what the Chinese sans fonts take. What does not fit goes on to the next slide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from studies.evidence.numbers import Number
from studies.evidence.report.blocks import Align
from studies.evidence.report.slides_letters import LEADING, SLACK, Said, breadth, lines_of

WIDTH, HEIGHT = 960.0, 540.0  # 16:9, 13 1/3 by 7 1/2 inches
LEFT, TOP = 44.0, 92.0
BODY_WIDTH, BODY_HEIGHT = WIDTH - 2 * LEFT, 400.0
CELL_X, CELL_Y = 4.0, 3.0  # a cell's margins
_AFTER = 0.45  # space below a paragraph, of its type
_GAP = 10.0  # between blocks
_LAST_ROWS = 2  # of a table, that stand above its notes
_FEWEST_LINES = 2  # of a paragraph that goes on: one line alone at the foot of a slide looks like a mistake
_FEWEST_OVER = 3  # of it on the next slide: a tail shorter than this cannot be read without the slide before
_LEAST_PICTURE = (
    0.55  # of the body's height: below it a figure is too small to read and gets a slide of its own
)
_HEAD_SHARE = 0.4  # of the body's height: the most that a table's head may take

Tone = Literal["plain", "lead", "caution", "small", "label", "said"]
SIZES: dict[Tone, float] = {
    "plain": 16.0, "lead": 20.0, "caution": 16.0, "small": 10.5, "label": 16.0, "said": 16.0,
}  # fmt: skip
INDENT: dict[Tone, float] = {"said": 14.0}
BULLET = 14.0  # how far a point is set in


@dataclass(frozen=True)
class Line:
    """A paragraph. `keep` stays with what follows; `point` is set in behind a dash."""

    said: Said
    tone: Tone = "plain"
    point: bool = False
    keep: bool = False
    goes_on: bool = False  # the rest of a paragraph of the slide before: no dash

    @property
    def size(self) -> float:
        return SIZES[self.tone]

    @property
    def indent(self) -> float:
        return INDENT.get(self.tone, 0.0) + (BULLET if self.point else 0.0)

    @property
    def lines(self) -> list[tuple[int, int]]:
        return lines_of(self.said.text, BODY_WIDTH - self.indent, self.size)

    @property
    def height(self) -> float:
        return len(self.lines) * self.size * LEADING + self.after

    @property
    def after(self) -> float:
        return self.size * _AFTER

    def parted(self, count: int) -> tuple[Line, Line]:
        """The first `count` lines, and the rest."""
        cut = self.lines[count][0]
        first = Line(self.said.part(0, cut), self.tone, self.point, goes_on=self.goes_on)
        rest = self.said.part(cut, len(self.said.text))
        return first, Line(rest, self.tone, self.point, goes_on=True)


@dataclass(frozen=True)
class Grid:
    """A table. The head is repeated where it goes on."""

    caption: str
    head: tuple[Said, ...]
    rows: tuple[tuple[Said, ...], ...]
    align: tuple[Align, ...]
    size: float = 11.0
    columns: tuple[float, ...] = ()  # widths; set when it is placed
    heights: tuple[float, ...] = ()  # of the head and each row

    @property
    def height(self) -> float:
        return sum(self.heights)


@dataclass(frozen=True)
class Picture:
    key: str
    alt: str
    ratio: float  # height to width


Item = Line | Grid | Picture


@dataclass(frozen=True)
class Placed:
    """Paragraphs in one box, or a table, or a picture."""

    left: float
    top: float
    width: float
    height: float
    lines: tuple[Line, ...] = ()
    grid: Grid | None = None
    picture: Picture | None = None


@dataclass
class Page:
    """What stands on one slide."""

    placed: list[Placed] = field(default_factory=list)
    used: float = 0.0

    @property
    def numbers(self) -> list[Number]:
        found: list[Number] = []
        for one in self.placed:
            for line in one.lines:
                found += line.said.numbers
            if one.grid:
                for row in (one.grid.head, *one.grid.rows):
                    found += [number for cell in row for number in cell.numbers]
        return list(dict.fromkeys(found))

    @property
    def pictures(self) -> list[str]:
        return [one.picture.key for one in self.placed if one.picture]

    def left(self) -> float:
        return BODY_HEIGHT - self.used

    @property
    def has_text_only(self) -> bool:
        return all(one.lines for one in self.placed)

    @property
    def text_lines(self) -> int:
        return sum(len(line.lines) for one in self.placed for line in one.lines)

    def given_away(self) -> tuple[Line, ...]:
        """Its last paragraph and the labels above it, taken off; none where nothing, or a label alone, would be left.

        Small lines are read beside the table or picture above them, and stay.
        """
        last = self.placed[-1]
        start = len(last.lines) - 1
        while start > 0 and last.lines[start - 1].keep:
            start -= 1
        if start < 1 or any(line.tone == "small" for line in last.lines[start:]):
            return ()
        kept, gone = last.lines[:start], last.lines[start:]
        height = sum(line.height for line in kept)
        self.placed[-1] = replace(last, lines=kept, height=height)
        self.used -= last.height - height
        return gone

    def add_line(self, line: Line) -> None:
        last = self.placed[-1] if self.placed else None
        if last is not None and last.lines:
            height = last.height + line.height
            self.placed[-1] = Placed(last.left, last.top, last.width, height, (*last.lines, line))
        else:
            self.placed.append(Placed(LEFT, TOP + self.used, BODY_WIDTH, line.height, (line,)))
        self.used += line.height

    def add_grid(self, grid: Grid) -> None:
        self.placed.append(Placed(LEFT, TOP + self.used, sum(grid.columns), grid.height, grid=grid))
        self.used += grid.height + _GAP

    def add_picture(self, picture: Picture, room: float) -> None:
        width = min(BODY_WIDTH, room / picture.ratio)
        left = LEFT + (BODY_WIDTH - width) / 2
        height = width * picture.ratio
        self.placed.append(Placed(left, TOP + self.used, width, height, picture=picture))
        self.used += height + _GAP


def pages(items: Iterable[Item]) -> list[Page]:
    """As many slides as the items need; one at least."""
    made = [Page()]
    listed = [*items, Line(Said(""))]
    for place, item in enumerate(listed[:-1]):
        if isinstance(item, Line):
            room = (
                _room_for(listed[place + 1], item.height, _beneath(listed[place + 2 :])) if item.keep else 0.0
            )
            _place_line(made, item, room)
        elif isinstance(item, Grid):
            _place_grid(made, item, _beneath(listed[place + 1 :]))
        else:
            _place_picture(made, item, listed[place + 1 :])
    made = [page for page in made if page.placed] or made[:1]
    _not_alone(made)
    return made


def _room_for(item: Item, above: float, beneath: float) -> float:
    """What has to stand on the same slide as a line that is kept with it: a table with its notes, if a slide can hold
    them, or its first rows."""
    if isinstance(item, Line):
        return min(item.height, (_FEWEST_LINES + 1) * item.size * LEADING)
    if isinstance(item, Picture):
        return _LEAST_PICTURE * BODY_HEIGHT
    heights = _measured(item).heights
    whole = sum(heights) + _GAP + beneath
    return whole if above + whole <= BODY_HEIGHT else sum(heights[:3])


def _place_line(made: list[Page], line: Line, following: float) -> None:
    """`following` is the height of what has to stand with it."""
    step = line.size * LEADING
    if line.keep and made[-1].placed and line.height + following > made[-1].left():
        made.append(Page())
    while line.height - line.after > made[-1].left():
        count = min(int(made[-1].left() // step), len(line.lines) - _FEWEST_OVER)
        if count < _FEWEST_LINES and made[-1].placed:
            made.append(Page())
            continue
        first, line = line.parted(max(count, 1))
        made[-1].add_line(first)
        made.append(Page())
    made[-1].add_line(line)


def _not_alone(made: list[Page]) -> None:
    """The last slide has more than a line or two, if the one before can give a whole paragraph with its label."""
    while len(made) > 1 and made[-1].has_text_only and made[-1].text_lines < _FEWEST_OVER:
        given = made[-2].given_away()
        if not given:
            return
        last = made.pop()
        made.append(Page())
        for line in (*given, *(line for one in last.placed for line in one.lines)):
            made[-1].add_line(line)


def _beneath(after: Sequence[Item]) -> float:
    """How high the small lines are that follow a table or a picture: its notes, which are read beside it."""
    height = 0.0
    for item in after:
        if not (isinstance(item, Line) and item.tone == "small"):
            break
        height += item.height
    return min(height, BODY_HEIGHT / 3)


def _place_picture(made: list[Page], picture: Picture, after: Sequence[Item]) -> None:
    """With room for the small lines beneath it, which are its caption and notes."""
    beneath = _beneath(after) + _GAP
    if made[-1].placed and made[-1].left() - beneath < _LEAST_PICTURE * BODY_HEIGHT:
        made.append(Page())
    made[-1].add_picture(picture, made[-1].left() - beneath)


# -- tables --------------------------------------------------------------------------------------------------------


def _measured(grid: Grid) -> Grid:
    """With its columns' widths and the heights of its head and rows; rows higher than a slide are parted."""
    columns = _columns(grid)
    head = tuple(_cut(cell, width, grid.size) for cell, width in zip(grid.head, columns, strict=True))
    over = _row_height(head, columns, grid.size)
    room = BODY_HEIGHT - over - _GAP
    rows = tuple(part for row in grid.rows for part in _parts_of(row, columns, grid.size, room))
    heights = (over, *(_row_height(row, columns, grid.size) for row in rows))
    return replace(grid, head=head, rows=rows, columns=columns, heights=heights)


def _place_grid(made: list[Page], grid: Grid, beneath: float) -> None:
    """`beneath` is the height of its notes: where they have no room, the last rows go on to the next slide."""
    whole = _measured(grid)
    over, rows, heights = whole.heights[0], whole.rows, whole.heights[1:]
    if made[-1].placed and over + sum(heights[:2]) > made[-1].left():
        made.append(Page())
    while rows:
        count, used = 0, over
        while count < len(rows) and used + heights[count] <= made[-1].left():
            used += heights[count]
            count += 1
        if count == len(rows) > _LAST_ROWS and used + _GAP + beneath > made[-1].left():
            count -= _LAST_ROWS
        if not count:
            made.append(Page())
            continue
        made[-1].add_grid(replace(whole, rows=rows[:count], heights=(over, *heights[:count])))
        rows, heights = rows[count:], heights[count:]
        if rows:
            made.append(Page())


def _columns(grid: Grid) -> tuple[float, ...]:
    """The width shared by the longest cell of each column, its head counting half; none gets less than four letters."""
    least = 4 * grid.size
    wanted = []
    for place, title in enumerate(grid.head):
        longest = max((_long(row[place].text) for row in grid.rows), default=0.0)
        word = max((_long(one) for one in title.text.split() if one.isascii()), default=0.0)
        wide = max(longest, word, _long(title.text) / 2) * grid.size / SLACK + 2 * CELL_X + 1
        wanted.append(max(wide, least))
    share = BODY_WIDTH / len(wanted)
    if sum(wanted) <= BODY_WIDTH:
        spare = (BODY_WIDTH - sum(wanted)) / len(wanted)
        return tuple(one + spare for one in wanted)
    # The wide ones give way to each other; those that need less than an equal share keep what they need.
    narrow = sum(one for one in wanted if one <= share)
    wide_sum = sum(one for one in wanted if one > share)
    return tuple(one if one <= share else one * (BODY_WIDTH - narrow) / wide_sum for one in wanted)


def _long(text: str) -> float:
    return sum(map(breadth, text))


def _inner(width: float) -> float:
    return width - 2 * CELL_X


def _row_height(row: Sequence[Said], columns: Sequence[float], size: float) -> float:
    lines = (len(lines_of(cell.text, _inner(width), size)) for cell, width in zip(row, columns, strict=True))
    return max(lines) * size * LEADING + 2 * CELL_Y


def _cut(cell: Said, width: float, size: float) -> Said:
    """A head that would fill the slide is cut, and says so."""
    most = int(BODY_HEIGHT * _HEAD_SHARE / (size * LEADING))
    lines = lines_of(cell.text, _inner(width), size)
    if len(lines) <= most:
        return cell
    return Said(cell.text[: lines[most - 1][1] - 2] + "…", cell.part(0, lines[most - 1][1] - 2).printed)


def _parts_of(
    row: tuple[Said, ...], columns: Sequence[float], size: float, room: float
) -> list[tuple[Said, ...]]:
    """A row that is higher than a slide goes on in rows beneath it."""
    most = max(int((room - 2 * CELL_Y) / (size * LEADING)), 1)
    parted: list[list[Said]] = []
    for cell, width in zip(row, columns, strict=True):
        lines = lines_of(cell.text, _inner(width), size)
        starts = range(0, len(lines), most)
        parted.append([cell.part(lines[at][0], lines[min(at + most, len(lines)) - 1][1]) for at in starts])
    count = max(map(len, parted))
    return [
        tuple(cell[at] if at < len(cell) else Said("") for cell in parted) for at in range(count)
    ]  # the others are empty where one goes on
