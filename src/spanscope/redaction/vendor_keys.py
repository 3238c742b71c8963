"""Keys and tokens that are known by how they begin, as their issuers document it.

Prefixes are as issued, upper and lower case.  What stands before one may not be a letter or digit, which
leaves `risk-…` and `task-…` as they are; an escaped line break may.

Part of `catalogue`.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import Final

from spanscope.redaction.page import Page
from spanscope.redaction.rules import Place, Rule, by_pattern
from spanscope.redaction.sieves import from_pattern

_W = r"[\w-]"  # what base64 for URLs is made of
_A = "[A-Za-z0-9]"

# Prefix -> what follows it.  The minimum is below the issued length: a key cut short is still a key.
_AFTER: Final[dict[str, str]] = {
    # models
    "sk-": rf"(?:(?:ant|proj|svcacct|admin|or|lf|cp|litellm)-{_W}{{6,}}+|{_A}{{16,}}+{_W}*+|(?={_W}{{0,40}}[0-9]){_W}{{8,}}+)",
    "pk-lf-": rf"{_W}{{8,}}+",
    "sess-": rf"{_A}{{32,}}+",
    "AIza": rf"{_W}{{20,}}+",
    "ya29.": r"[\w.-]{16,}+",
    "1//0": rf"{_W}{{24,}}+",
    "GOCSPX-": rf"{_W}{{16,}}+",
    "AQ.Ab": rf"{_W}{{20,}}+",
    "hf_": rf"{_A}{{12,}}+",
    "api_org_": rf"{_A}{{20,}}+",
    "gsk_": rf"{_A}{{12,}}+",
    "xai-": rf"{_A}{{16,}}+",
    "pplx-": rf"{_A}{{16,}}+",
    "r8_": rf"{_A}{{16,}}+",
    "nvapi-": rf"{_W}{{12,}}+",
    "tvly-": rf"{_W}{{12,}}+",
    "pcsk_": r"\w{12,}+",
    "fw_": rf"{_A}{{20,}}+",
    "tgp_v1_": rf"{_W}{{20,}}+",
    "csk-": rf"{_A}{{20,}}+",
    "jina_": r"\w{20,}+",
    "pa-": rf"(?={_W}*[0-9]){_W}{{40,}}+",
    "lsv2_": r"[a-z]{2}_\w{8,}+",
    "ls__": r"\w{12,}+",
    "wandb_v1_": rf"{_W}{{20,}}+",
    "llx-": rf"{_W}{{20,}}+",
    "fc-": r"[a-f0-9]{32}",
    "ddp_": rf"{_A}{{20,}}+",
    "dd_": r"[a-f0-9]{32,40}",
    # clouds
    **dict.fromkeys(("AKIA", "ASIA", "ABIA", "ACCA", "AROA", "AIDA"), r"[A-Z0-9]{12,}+"),
    "A3T": r"[A-Z0-9]{17}(?![A-Za-z0-9])",
    "ABSK": r"[A-Za-z0-9+/]{60,}+={0,2}",
    "bedrock-api-key-": rf"{_W}{{12,}}+[=]*",
    "LTAI": rf"{_A}{{12,}}+",
    "AKID": rf"{_A}{{16,}}+",
    "HRKU-": rf"{_W}{{20,}}+",
    "dop_v1_": r"[a-f0-9]{16,}+",
    "doo_v1_": r"[a-f0-9]{16,}+",
    "dor_v1_": r"[a-f0-9]{16,}+",
    "dapi": r"[a-f0-9]{32}(?:-[0-9])?",
    "dose": r"[a-f0-9]{32}",
    "pscale_": r"(?:tkn|pw|oauth|app)_[\w=.-]{16,}+",
    "v1.0-": r"[a-f0-9]{24}-[a-f0-9]{60,}+",
    "fo1_": rf"{_W}{{30,}}+",
    "fm1a_": r"[\w+/=,-]{40,}+",
    "fm1r_": r"[\w+/=,-]{40,}+",
    "fm2_": r"[\w+/=,-]{40,}+",
    "tk-us-": rf"{_W}{{24,}}+",
    "sha256~": rf"{_W}{{30,}}+",
    "hvs.": rf"{_W}{{20,}}+",
    "hvb.": rf"{_W}{{20,}}+",
    "hvr.": rf"{_W}{{20,}}+",
    "s.": rf"(?={_A}*[0-9]){_A}{{24}}(?![A-Za-z0-9])",
    "atlasv1.": r"[\w=-]{20,}+",
    "pul-": r"[a-f0-9]{32,}+",
    "sbp_": r"[a-f0-9]{32,}+",
    "sb_secret_": rf"{_W}{{16,}}+",
    "sb_publishable_": rf"{_W}{{16,}}+",
    "rnd_": rf"{_A}{{24,}}+",
    "nfp_": rf"{_A}{{30,}}+",
    "vcp_": rf"{_A}{{20,}}+",
    "vercel_blob_rw_": r"\w{20,}+",
    "cfut_": rf"{_W}{{20,}}+",
    "ocid1.": r"[a-z]+\.oc[0-9]\.[\w.-]{20,}+",
    "AGE-SECRET-KEY-1": r"[A-Z0-9]{30,}+",
    "4b1d": rf"(?={_A}{{0,38}}[A-Z]){_A}{{38}}(?![A-Za-z0-9])",
    "CLOJARS_": rf"{_A}{{40,}}+",
    # code hosts and registries
    **dict.fromkeys(("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), rf"{_A}{{12,}}+"),
    "github_pat_": r"\w{12,}+",
    **dict.fromkeys(("glpat-", "gldt-", "glft-", "glsoat-", "glrt-", "glcbt-", "glimt-", "glptt-"), r"[\w.-]{12,}+"),
    **dict.fromkeys(("glagent-", "gloas-", "glffct-"), r"[\w.-]{12,}+"),
    "GR1348941": rf"{_W}{{16,}}+",
    "_gitlab_session=": r"[0-9a-z]{16,}+",
    "ATATT3": r"[\w=-]{20,}+",
    "ATBB": rf"{_A}{{20,}}+",
    "ATCTT3": r"[\w=-]{20,}+",
    "npm_": rf"{_A}{{20,}}+",
    "pypi-A": rf"{_W}{{20,}}+",
    "rubygems_": r"[a-f0-9]{24,}+",
    "oy2": r"[a-z0-9]{43}(?![A-Za-z0-9])",
    "dckr_pat_": rf"{_W}{{16,}}+",
    "dckr_oat_": rf"{_W}{{16,}}+",
    "AKCp": rf"{_A}{{10,}}+",
    "AKC": rf"{_A}{{30,}}+",
    "cmVmd": rf"{_A}{{40,}}+",
    "sgp_": r"\w{32,}+",
    "sq0": r"(?:atp|csp|idp)-[\w\\-]{20,}+",
    "squ_": r"[a-f0-9]{32,}+",
    "sqp_": r"[a-f0-9]{32,}+",
    "sqa_": r"[a-f0-9]{32,}+",
    "PMAK-": rf"{_W}{{24,}}+",
    "cio": rf"{_A}{{32}}(?![A-Za-z0-9])",
    "API-": r"[A-Z0-9]{24,}+",
    "rdme_": r"[a-z0-9]{32,}+",
    "pnu_": rf"{_A}{{24,}}+",
    "pnb_": rf"{_A}{{24,}}+",
    "dp.": r"(?:pt|st|ct|sa|scim|audit)\.[\w.-]{20,}+",
    "ops_eyJ": r"[\w+/=-]{20,}+",
    "A3-": r"[A-Z0-9]{6}-[A-Z0-9-]{20,}+",
    # messages and money
    **dict.fromkeys(("xoxa-", "xoxb-", "xoxp-", "xoxo-", "xoxs-", "xoxr-", "xoxc-", "xoxd-", "xoxe-"), r"[\w%/+=-]{8,}+"),
    "xoxe.": r"xox[bp]-[\w-]{8,}+",
    "xapp-": rf"{_W}{{8,}}+",
    **dict.fromkeys(("sk_live_", "sk_test_", "rk_live_", "rk_test_", "pk_live_", "pk_test_"), r"\w{8,}+"),
    **dict.fromkeys(("sk_prod_", "rk_prod_", "pk_prod_"), r"\w{8,}+"),
    "sk_": rf"(?={_W}{{0,40}}[0-9])[a-z0-9]{{28,}}+",
    "whsec_": r"[\w+/=]{12,}+",
    "SG.": r"[\w=-]{1,60}\.[\w.=-]{24,}+",
    "xkeysib-": rf"{_W}{{20,}}+",
    "xsmtpsib-": rf"{_W}{{20,}}+",
    "re_": rf"{_A}{{6,12}}_{_A}{{16,}}+",
    "key-": r"[a-f0-9]{32}",
    "pubkey-": r"[a-f0-9]{32}",
    "SK": r"(?=[0-9a-fA-F]*[0-9])[0-9a-fA-F]{32}(?![A-Za-z0-9])",
    "AC": r"(?=[0-9a-z]*[0-9])[0-9a-f]{32}(?![A-Za-z0-9])",
    "EAAA": rf"{_W}{{22,}}+",
    "EAA": rf"{_A}{{60,}}+",
    "IGQV": rf"{_W}{{60,}}+",
    "FLWSECK": r"(?:_TEST)?-[\w-]{8,}+",
    "FLWPUBK": r"(?:_TEST)?-[\w-]{8,}+",
    "rzp_live_": rf"{_A}{{10,}}+",
    "rzp_test_": rf"{_A}{{10,}}+",
    "live_": r"(?:pub_)?(?=[a-f0-9]*[0-9])[a-f0-9]{28,}+",
    "test_": r"(?:pub_)?(?=[a-f0-9]*[0-9])[a-f0-9]{28,}+",
    "access_token$": r"(?:production|sandbox)\$[\w$]{20,}+",
    "access-": r"(?:sandbox|development|production)-[0-9a-f-]{36}",
    "shippo_": r"(?:live|test)_[a-fA-F0-9]{20,}+",
    **dict.fromkeys(("shpat_", "shpca_", "shppa_", "shpss_"), r"[a-fA-F0-9]{20,}+"),
    "duffel_": r"(?:test|live)_[\w=-]{20,}+",
    "EZAK": rf"{_A}{{40,}}+",
    "EZTK": rf"{_A}{{40,}}+",
    "fio-u-": r"[\w=-]{24,}+",
    "lin_api_": rf"{_A}{{20,}}+",
    "lin_oauth_": rf"{_A}{{20,}}+",
    "secret_": rf"(?={_A}{{0,42}}[0-9]){_A}{{32,}}+",
    "ntn_": rf"{_A}{{20,}}+",
    "figd_": rf"{_W}{{20,}}+",
    "tfp_": r"[\w=.-]{20,}+",
    "pat": rf"{_A}{{14}}\.[a-f0-9]{{40,}}+",
    "pat.": rf"{_W}{{22}}\.{_A}{{24}}\.{_A}{{20}}",
    "sat.": rf"{_W}{{22}}\.{_A}{{24}}\.{_A}{{20}}",
    "pat-": r"(?:na|eu)[0-9]-[0-9a-f-]{36}",
    "p8e-": rf"{_A}{{24,}}+",
    "dt0c01.": rf"{_A}{{8,}}+\.{_A}{{16,}}+",
    "dt0s": r"[0-9]{2}\.[\w.-]{30,}+",
    "glc_": r"[\w+/=-]{30,}+",
    "glsa_": r"\w{20,}+",
    "NRAK-": rf"{_A}{{16,}}+",
    "NRJS-": r"[a-f0-9]{12,}+",
    "NRII-": rf"{_W}{{20,}}+",
    "NRIQ-": rf"{_W}{{20,}}+",
    "NRRA-": rf"{_W}{{20,}}+",
    "sntrys_": r"[\w+/=-]{20,}+",
    "sntryu_": r"[a-f0-9]{32,}+",
    "phc_": rf"{_A}{{24,}}+",
    "phx_": rf"{_A}{{24,}}+",
    "ico-": rf"{_A}{{32}}",
    "s-s4t2": r"(?:ud|af)-[a-f0-9]{40,}+",
    "sm_aat_": rf"{_A}{{12,}}+",
    "sm_pat_": rf"{_A}{{12,}}+",
    "sm_sat_": rf"{_A}{{12,}}+",
    "ctp_": rf"{_A}{{24,}}+",
    "CFPAT-": rf"{_W}{{24,}}+",
    "sdk-": r"[0-9a-f]{8}-[0-9a-f-]{27}",
    "mob-": r"[0-9a-f]{8}-[0-9a-f-]{27}",
    "api-": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}",
    "sl.": r"[\w=-]{60,}+",
    "b_": rf"(?={_W}{{0,43}}[0-9])[\w=-]{{44}}(?![\w=-])",
    "t1.": r"[\w-]{6,}+={0,2}\.[\w-]{40,}+={0,2}",
    "AQVN": rf"{_W}{{24,}}+",
    "YC": rf"(?={_W}{{0,38}}[0-9]){_W}{{38}}(?![\w-])",
    "y0_": rf"{_W}{{30,}}+",
    "dnkey-": rf"{_W}{{20,}}+",
    "apify_api_": rf"{_A}{{20,}}+",
    "patch_": rf"{_A}{{40,}}+",
    "dG9rO": r"[\w+/]{40,}+={0,2}",  # `tok:` in base64, Intercom
    "eyJrIjoi": r"[\w+/=-]{20,}+",  # `{"k":"` in base64, Grafana
    "aio_": rf"{_A}{{24,}}+",
    "aoeu_": rf"{_A}{{24,}}+",
    "PuTTY-User-Key-File-": r"[23]:[^\n]*+(?:\r?\n[^\n]+){1,60}+",
}  # fmt: skip

_BEFORE = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtu]))"


@cache
def _pattern(prefix: str) -> re.Pattern[str]:
    """Compiled when a text holds the prefix: all of them would take a tenth of a second at import."""
    return re.compile(_BEFORE + re.escape(prefix) + _AFTER[prefix])


# No prefix at all, but a sign in a certain place.
_AZURE_AD = re.compile(r"(?<![\w.~-])[\w.~]{3}[0-9]Q~[\w.~-]{30,40}")
_MAILCHIMP = re.compile(r"(?<![\w-])[0-9a-f]{32}-us[0-9]{1,2}(?![0-9a-z])")
_MAXMIND = re.compile(r"(?<![\w-])[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk")
_DISCORD = re.compile(r"[MNO](?<![\w.-].)[\w-]{22,27}\.[\w-]{6}\.[\w-]{27,40}(?![\w-])")
_TELEGRAM = re.compile(r"(?<![0-9A-Za-z:])(?:bot)?[0-9]{7,12}:A[\w-]{32,36}(?![\w-])")
_FACEBOOK = re.compile(r"[0-9](?<![\w|].)[0-9]{12,16}(?:\||%7C)[\w-]{24,44}(?![\w-])")
_AUTHRESS = re.compile(
    r"(?<![\w.])(?:sc|ext|scauth|authress)_[a-z0-9]{5,30}\.[a-z0-9]{4,6}\.acc[_-][a-z0-9-]{8,40}\.[\w+/=-]{24,}+"
)
_AZURE_KEY = re.compile(
    r"(?<![\w+/])[A-Za-z0-9+/]{50,84}(?:JQQJ99|AzCa|ACDb|AzSe|AzFu|APIM|ACOG|ASt|AIoT|AEh|ABa|ARm)[A-Za-z0-9+/]{4,34}={0,2}"
)
_WEBHOOK = re.compile(
    r"hooks\.slack\.com/(?:services|workflows|triggers)/([\w/+-]{16,}+)"
    r"|discord(?:app)?\.com/api/(?:v[0-9]+/)?webhooks/([\w/-]{24,}+)"
    r"|\.webhook\.office\.com/webhookb2/([\w@/-]{36,}+)"
    r"|hooks\.zapier\.com/hooks/catch/([\w/]{8,}+)"
    r"|api\.telegram\.org/(?:file/)?bot([0-9]+:[\w-]{20,}+)"
    r"|chat\.googleapis\.com/v1/spaces/([\w-]+/messages\?\S{8,}+)"
    r"|api\.softlayer\.com/soap/v3(?:\.1)?/([a-z0-9]{32,}+)",
    re.IGNORECASE,
)


_BY_BEGINNING: Final = {
    two: tuple([prefix for prefix in _AFTER if prefix.startswith(two)])
    for two in dict.fromkeys([prefix[:2] for prefix in _AFTER])
}
_BEGINNINGS = re.compile(rf"(?=[{re.escape(''.join({two[0] for two in _BY_BEGINNING}))}]){_BEFORE}(?=(..))")
"""The first two characters of each word in which a prefix may begin."""


def _prefixed(page: Page, start: int, end: int) -> Iterable[Place]:
    text = page.text
    long_words = page.long_words(start, end)
    begun = _BY_BEGINNING.keys() & _BEGINNINGS.findall(long_words)
    for prefix in [prefix for two in sorted(begun) for prefix in _BY_BEGINNING[two]]:
        if prefix not in long_words:
            continue
        pattern = _pattern(prefix)
        at = text.find(prefix, start, end)
        while at >= 0:
            match = pattern.match(text, at)
            at = text.find(prefix, at + 1 if match is None else match.end(), end)
            if match is not None:
                yield match.span()


def _webhooks(page: Page, start: int, end: int) -> Iterable[Place]:
    for match in _WEBHOOK.finditer(page.text, start, end):
        yield match.span(match.lastindex or 0)


def _dotted(page: Page, start: int, end: int) -> Iterable[Place]:
    if page.long_words(start, end).count(".") >= 2:
        for match in _DISCORD.finditer(page.text, start, end):
            yield match.span()


def _signed(marks: tuple[str, ...], back: int, pattern: re.Pattern[str]) -> Rule:
    """A rule for a pattern in which one of `marks` stands at most `back` characters from its start."""

    def find(page: Page, start: int, end: int) -> Iterable[Place]:
        text, done = page.text, start
        for mark in marks:
            at = text.find(mark, start, end)
            while at >= 0:
                match = pattern.search(text, max(done, at - back), min(end, at + 100))
                if match is not None:
                    yield match.span()
                    done = match.end()
                at = text.find(mark, max(at + 1, done), end)

    return Rule(
        "vendor key",
        "SECRET",
        find,
        triggers=tuple(mark.lower() for mark in marks),
        sieve=from_pattern(pattern.pattern),
    )


RULES: Final = (
    Rule(
        "vendor key",
        "SECRET",
        _prefixed,
        long=True,
        sieve=(
            "|".join(map(re.escape, _AFTER)),
            "|".join(re.escape(prefix) + from_pattern(after) for prefix, after in _AFTER.items()),
        ),
    ),
    Rule(
        "webhook",
        "SECRET",
        _webhooks,
        triggers=(
            "hooks.slack.com/",
            "/webhooks/",
            "webhookb2/",
            "hooks.zapier",
            "telegram.org/",
            "chat.googleapis",
            "softlayer.com/soap",
        ),
    ),
    Rule("vendor key", "SECRET", _dotted, long=True, sieve=from_pattern(_DISCORD.pattern)),
    _signed(("Q~",), 4, _AZURE_AD),
    _signed(("-us",), 32, _MAILCHIMP),
    _signed(("_mmk",), 36, _MAXMIND),
    _signed((":A",), 15, _TELEGRAM),
    Rule(
        "vendor key",
        "SECRET",
        by_pattern(_FACEBOOK),
        triggers=("|", "%7c"),
        sieve=from_pattern(_FACEBOOK.pattern),
    ),
    _signed((".acc_", ".acc-"), 45, _AUTHRESS),
    _signed(("JQQJ99", "AzCa", "ACDb", "AzSe", "AzFu", "APIM", "ACOG"), 86, _AZURE_KEY),
)
