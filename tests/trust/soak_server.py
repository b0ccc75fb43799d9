"""`lift serve --shared` without limits on how often: a soak does in minutes the work of days."""

from __future__ import annotations

from lift_app.cli import main
from lift_app.ui import doorkeeper
from lift_app.visitors import house

if __name__ == "__main__":
    house.ADDS_AN_HOUR = house.LIFTS_AN_HOUR = 10**6
    doorkeeper.UPLOADS_AN_HOUR = doorkeeper.PASSES_AN_HOUR = 10**6
    main(["serve", "--shared"])
