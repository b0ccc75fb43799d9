"""Visitors: strangers who share a running app, each with a shelf of their own and limits."""

from lift_app.visitors.house import House
from lift_app.visitors.passes import Passes
from lift_app.visitors.rates import Rates
from lift_app.visitors.visitor import Visitor

__all__ = ["House", "Passes", "Rates", "Visitor"]
