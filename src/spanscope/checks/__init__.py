"""The questions that are asked of every trace, in the order in which they are reported.

One module for each question.  `run_checks` puts them one by one; a check that breaks becomes an
`unknown` finding and the others go on.

Fed by `debug` with a trace; feeds `ranking` and `report`.
"""

import logging
from collections.abc import Mapping
from typing import Final

from spanscope.checks import finish_reason, model_version, prompt_version, retrieved_context, truncation
from spanscope.checks._base import Check, CheckContext, PromptUse
from spanscope.report import Finding

__all__ = ["CHECKS", "Check", "CheckContext", "PromptUse", "run_checks"]

logger = logging.getLogger("spanscope")

CHECKS: Final[Mapping[str, Check]] = {
    "model_version": model_version.check,
    "prompt_version": prompt_version.check,
    "retrieved_context": retrieved_context.check,
    "truncation": truncation.check,
    "finish_reason": finish_reason.check,
}


def run_checks(context: CheckContext, checks: Mapping[str, Check] = CHECKS) -> tuple[Finding, ...]:
    """Put every question to one trace; each check's overall answer stands before its details."""
    return tuple(finding for name, check in checks.items() for finding in _answers(name, check, context))


def _answers(name: str, check: Check, context: CheckContext) -> tuple[Finding, ...]:
    try:
        return check(context)
    except Exception as fault:  # noqa: BLE001  the named boundary: one broken check is one unknown answer
        fault_type = type(fault).__name__
        logger.error("spanscope's check %s broke (%s); the other checks go on", name, fault_type)
        return (
            Finding(
                check=name,
                status="unknown",
                summary=f"The check {name} itself broke ({fault_type}); its question is open.",
                evidence={"reason": "the check raised an exception", "fault": fault_type},
                suggestion="Report this to spanscope, with the type of the fault.",
            ),
        )
