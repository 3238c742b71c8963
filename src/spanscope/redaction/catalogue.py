"""All built-in rules, in the order of their rank: where two findings overlap, the first gives the type."""

from typing import Final

from spanscope.redaction import (
    addresses,
    assignments,
    blocks,
    cards,
    emails,
    guesses,
    headers,
    identities,
    labelled,
    network,
    phones,
    places,
    streets,
    structures,
    vendor_keys,
    wallets,
)
from spanscope.redaction.rules import Rule

RULES: Final[tuple[Rule, ...]] = (
    *structures.RULES,
    *headers.RULES,
    *assignments.RULES,
    *guesses.RULES,
    *vendor_keys.RULES,
    *emails.RULES,
    *cards.RULES,
    *identities.RULES,
    *labelled.RULES,
    *wallets.RULES,
    *network.RULES,
    *addresses.RULES,
    *blocks.RULES,
    *streets.RULES,
    *places.RULES,
    *phones.RULES,
)

TYPES: Final = tuple(sorted({rule.type for rule in RULES}))
