"""Parcels: lifts that travel, as plain PEFT adapters with their origin."""

from lift_app.parcel.parcels import Parcels

__all__ = ["Parcels"]
