"""The one place that raw text passes on its way out of the process.

`engine` takes secrets and personal data out of text, by the rules of `catalogue`; `values` does it for
structured values; `pseudonyms` gives people and texts keyed names; `seal` turns a draft into a span
with all of them, and is the only way to a span.
"""

from spanscope.redaction.detectors import Detector, GlinerDetector, PresidioDetector, SpacyDetector
from spanscope.redaction.engine import Redactor, redactor_from
from spanscope.redaction.pseudonyms import Keys, Pseudonyms, known_keys, load_key
from spanscope.redaction.seal import Seal

__all__ = [
    "Detector",
    "GlinerDetector",
    "Keys",
    "PresidioDetector",
    "Pseudonyms",
    "Redactor",
    "Seal",
    "SpacyDetector",
    "known_keys",
    "load_key",
    "redactor_from",
]
