"""Whether a statement only reads, judged by its text: the Data API has no read-only transaction."""

import re

from headrace.errors import WarehouseRefused

_APART = re.compile(
    r"""--[^\n\r]*           # a comment to the end of the line
      | /\*.*?\*/           # a comment
      | '(?:[^']|'')*'      # a literal
      | "(?:[^"]|"")*"      # a quoted name
    """,
    re.VERBOSE | re.DOTALL,
)
_READ_TWO_WAYS = re.compile(r"\\'|\$\w*\$")
"""A backslash escapes a quote in some databases and settings only, and few know quotes of dollar signs."""

_READS = re.compile(r"(?:explain\s+)?(?:\(\s*)*(?:select|with)\b|show\b", re.IGNORECASE)
_CHANGES = re.compile(
    r"\b(?:insert|update|delete|merge|into|create|drop|alter|call|execute)\b", re.IGNORECASE
)


def check_reads(text: str) -> None:
    """Raise `WarehouseRefused` unless the text is one SELECT, WITH, EXPLAIN or SHOW that makes no table.

    A word like `into` outside of quotes is refused wherever it stands: better a question too few.
    """
    if _READ_TWO_WAYS.search(text):
        raise WarehouseRefused("a question has neither \\' nor $$ in it: write CHR(92), CHR(36)")
    bare = _APART.sub(" ", text).strip().removesuffix(";").strip()
    if not _READS.match(bare):
        raise WarehouseRefused("a question begins with SELECT, WITH, EXPLAIN or SHOW")
    if found := _CHANGES.search(bare):
        raise WarehouseRefused(f"a question has no {found[0].upper()} outside of quotes")
    if ";" in bare:
        raise WarehouseRefused("a question is one statement")
    if re.search("/\\*|['\"]", bare):
        raise WarehouseRefused("a comment, a literal or a quoted name has no end")
