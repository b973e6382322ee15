"""Text from data, made harmless: nothing that a terminal would obey, and on one line."""


def printable(text: str) -> str:
    r"""The text with every character that does not print, a control or a direction mark say, as `\x1b`."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def printable_json(text: str) -> str:
    """One line of JSON with such characters as JSON's own escapes: the same value to every reader."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _json_escaped(c) for c in text)


def head_of(raw: bytes, most: int) -> str:
    """The first `most` bytes of anything as printable text; what is no UTF-8 shows as escapes."""
    return printable(raw[:most].decode(errors="backslashreplace")) + ("…" if len(raw) > most else "")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _json_escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
