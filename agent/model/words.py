"""A device's own words in what is kept or shown: one line, printable, bounded."""


def one_line(text: str, most: int) -> str:
    """Return the text with a blank for every character that is not printable, cut to `most` characters.

    Secrets are taken out before: what is left of one that was cut is recognised by nobody.
    """
    line = "".join(char if char.isprintable() else " " for char in text)
    return line if len(line) <= most else f"{line[: most - 1]}…"
