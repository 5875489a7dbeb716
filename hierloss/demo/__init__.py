"""A demonstration that takes seconds: four losses on the animals of a zoo."""

from hierloss.demo.report import run
from hierloss.demo.validation import Measure, Result, cross_validate
from hierloss.demo.zoo import Zoo, load

__all__ = ["Measure", "Result", "Zoo", "cross_validate", "load", "run"]
