"""Lines of text for a drawing, in Chinese and English alike."""

from __future__ import annotations


def wrapped(text: str, breadth: int) -> tuple[str, ...]:
    """Lines of at most `breadth` half-width letters. Latin words stay whole where they can; Chinese breaks anywhere."""
    lines, line, used = [], "", 0
    for piece in _pieces(text, breadth):
        wide = _breadth(piece)
        if used + wide > breadth and line.strip():
            lines.append(line.rstrip())
            line, used = piece.lstrip(), _breadth(piece.lstrip())
        else:
            line, used = line + piece, used + wide
    return (*lines, line.rstrip()) if line.strip() else tuple(lines) or ("",)


def _pieces(text: str, breadth: int) -> list[str]:
    """Words with the space before them, and wide letters one by one; closing marks stay with what they close."""
    pieces: list[str] = []
    for letter in text:
        wide = _breadth(letter) == 2
        closing = letter in "，。；：、）》”,.;:)"
        joins = bool(pieces) and not wide and letter != " " and _breadth(pieces[-1][-1]) != 2
        if pieces and (closing or (joins and _breadth(pieces[-1]) < breadth)):
            pieces[-1] += letter
        else:
            pieces.append(letter)
    return pieces


def _breadth(text: str) -> int:
    return sum(2 if ord(letter) > 0x2E7F else 1 for letter in text)
