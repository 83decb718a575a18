"""Temporary."""

from bench.records import Estimate, Strict


class MarginAgreement(Strict):
    pearson: Estimate


def margin_agreement(a, b):
    return None
