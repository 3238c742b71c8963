"""Lists of words as one reads them, not as one types them.

Used by the rules that know what they look for by the words beside it.
"""


def words(text: str) -> tuple[str, ...]:
    """The words between spaces."""
    return tuple(text.split())


def phrases(text: str) -> tuple[str, ...]:
    """What stands between commas, which may be several words."""
    return tuple([" ".join(phrase.split()) for phrase in text.split(",") if phrase.strip()])


def either(text: str) -> str:
    """The same as the alternatives of a pattern."""
    return "|".join(phrases(text))
