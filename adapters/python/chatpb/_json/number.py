"""Numbers of JSON text: their exact values, where a double or an integer has them."""

from __future__ import annotations

from math import copysign, isinf

from chatpb._limits import MAX_EXACT_INTEGER


class DoesNotFit(Exception):
    """The field or Struct that was tried cannot hold the value exactly."""


class NumberText(str):
    """A number as it is written: one with a fraction or an exponent, or an integer of twenty or more characters."""


def exact_double(value: float | NumberText) -> float:
    """Return the double that a number stands for.

    Raises DoesNotFit for an integer above 2^53, which a double may round, and for a number too large for a double.
    """
    if type(value) is NumberText:
        double = float(value)
        if isinf(double) or value.lstrip("-").isdigit():
            raise DoesNotFit
        return double
    if type(value) is int and abs(value) > MAX_EXACT_INTEGER:
        raise DoesNotFit
    return float(value)


def exact_integer(value: NumberText) -> int:
    """Return the integer that a number stands for: 1.0 and 1e3 are integers, 1.5 and -0.0 are not.

    Raises DoesNotFit for any other number, and for one above 2^53 that has a fraction or an exponent. An integer of
    more than 21 characters is cut to 21, which is still too large for every integer field.
    """
    if value.lstrip("-").isdigit():
        return int(value[:21])
    double = exact_double(value)
    if abs(double) > MAX_EXACT_INTEGER or double != int(double) or (not double and copysign(1, double) < 0):
        raise DoesNotFit
    return int(double)
