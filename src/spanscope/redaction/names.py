"""What the name of a field says of its value: that it is secret, a person, or provider state nobody can read.

Used by `values` and `seal` for dictionary keys, and by `assignments` for names in text.
"""

import re
from functools import lru_cache
from typing import Final, Literal

Meaning = Literal["secret", "user", "opaque", None]

# Of a name without its signs, in lower case: OPENAI_API_KEY, x-api-key and apiKey are one.
_SECRET_NAME = re.compile(
    r"""(?:api|access|secret|private|signing|encryption|account|master|auth|service|client|storage|shared
         |subscription|ssh|webhook|app|application|consumer|deploy|admin|hmac|db|database)key(?:id)?s?$
      | pass(?:word|wd|phrase|code)s?(?:hash|confirm(?:ation)?|again|repeat|new|old|\d)?$
      | secrets?$ | secretvalue$ | authorization$ | cookies?$ | credentials?$ | creds$ | connectionstring$
      | (?:^|[a-z])(?:auth|id|bearer|refresh|access|api|session|security|csrf|xsrf|bot|user)tokens?$ | token$
      | privatepem$ | keypem$ | mnemonic$
      | (?:seed|recovery)(?:phrase|words|codes?)$ | sas(?:url|token)$ | dsn$
      | (?:^|card)(?:cvv2?|cvc2?)$ | (?:contrase[nñ]a|kennwort|passwort|wachtwoord|motdepasse|senha)$
      | ^(?:pwd|pass|pw|auth|jwt|bearer|apikeys?|pat|pin|pincode|otp|otpcode|totp|mfacode)$
      | (?:db|user|admin|root|database|mysql|smtp|my)(?:pwd|pass)$""",
    re.VERBOSE,
)
_OPAQUE_NAMES: Final = frozenset(
    {
        *("encryptedcontent", "encryptedindex", "encryptedstdout", "encryptedreasoning", "encryptedvalue"),
        *("signature", "thoughtsignature", "thoughtsignatures", "thinkingsignature", "reasoningsignature"),
        *("redactedthinking", "redactedcontent", "cachedcontenttoken", "ciphertext"),
    }
)


def squashed(name: str) -> str:
    """The letters and digits of a name, in lower case."""
    return "".join(filter(str.isalnum, name)).lower()


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a key says that its value is secret: `OPENAI_API_KEY`, `x-api-key`, `accessToken`."""
    return _SECRET_NAME.search(squashed(name)) is not None


@lru_cache(maxsize=4096)
def meaning(key: str) -> Meaning:
    """What a key says of its value: `api_key` that it is secret, `langfuse_user_id` that it is a person."""
    tail = squashed(key[-100:])
    if _SECRET_NAME.search(tail) is not None:
        return "secret"
    if tail in _OPAQUE_NAMES:
        return "opaque"
    return "user" if tail.endswith("userid") else None
