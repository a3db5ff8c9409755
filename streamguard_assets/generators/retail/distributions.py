"""Every share and range of generated transactions, once: the generator, the seeder and their tests read them here.

Shares of one table sum to 1. Weights of hours and of seasons are relative: what matters is their ratio.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Category:
    """A category of goods. ``code`` stands in product ids, prices are in cents, both ends included."""

    code: str
    weight: float
    lowest_cents: int
    highest_cents: int
    sub_categories: tuple[str, ...]
    brands: tuple[str, ...]


CATEGORIES: dict[str, Category] = {
    "electronics": Category(
        "ELC",
        0.20,
        29_99,
        2_499_99,
        ("smartphones", "laptops", "audio_headphones", "cameras", "tablets", "wearables"),
        ("Voltara", "Lumetric", "Kestrel", "Onda"),
    ),
    "clothing": Category(
        "CLO",
        0.18,
        9_99,
        299_99,
        ("mens_shirts", "womens_dresses", "shoes", "activewear", "accessories"),
        ("Harrow Lane", "Tessel", "Nilgiri", "Marlowe"),
    ),
    "grocery": Category(
        "GRO",
        0.22,
        1_99,
        89_99,
        ("dairy", "snacks", "beverages", "frozen", "organic", "bakery"),
        ("Green Acre", "Morning Mill", "Dalefield", "Spice Route"),
    ),
    "home_garden": Category(
        "HOM",
        0.10,
        14_99,
        999_99,
        ("furniture", "kitchen", "bedding", "garden_tools", "lighting"),
        ("Oakhurst", "Casavia", "Terrabella"),
    ),
    "sports": Category(
        "SPO",
        0.08,
        19_99,
        799_99,
        ("fitness", "outdoor", "team_sports", "cycling", "swimming"),
        ("Stridewell", "Summitline", "Aquarise"),
    ),
    "beauty": Category(
        "BEA",
        0.07,
        4_99,
        199_99,
        ("skincare", "makeup", "haircare", "fragrance", "supplements"),
        ("Florelle", "Saffron & Co", "Pureza"),
    ),
    "automotive": Category(
        "AUT",
        0.04,
        9_99,
        499_99,
        ("parts", "accessories", "tools", "car_care", "electronics"),
        ("Torquemark", "Roadhouse", "Axelion"),
    ),
    "books": Category(
        "BOO",
        0.05,
        5_99,
        49_99,
        ("fiction", "non_fiction", "textbooks", "children", "comics"),
        ("Lantern Press", "Banyan House", "Quillmark"),
    ),
    "toys": Category(
        "TOY",
        0.03,
        7_99,
        199_99,
        ("action_figures", "board_games", "educational", "outdoor", "dolls"),
        ("Brightbox", "Tumbletown", "Pocket Owl"),
    ),
    "pharmacy": Category(
        "PHA",
        0.03,
        2_99,
        149_99,
        ("otc_medicine", "vitamins", "first_aid", "personal_care", "baby_care"),
        ("Medara", "Wellspring", "Carewell"),
    ),
}

WEEKEND_BOOST: Mapping[str, float] = {"grocery": 1.4, "clothing": 1.4}
WEEKDAY_BOOST: Mapping[str, float] = {"electronics": 1.3}
"""In a history: how much more of a category is sold on a Saturday or Sunday, and on the other days."""


@dataclass(frozen=True)
class City:
    """A city: its code in store ids, its state, and the three digits that its postal codes begin with."""

    name: str
    code: str
    state: str
    postal_prefix: str


@dataclass(frozen=True)
class Region:
    """A region and its cities, which are equally likely."""

    weight: float
    cities: tuple[City, ...]


REGIONS: dict[str, Region] = {
    "north": Region(
        0.22,
        (
            City("Delhi", "DEL", "DL", "110"),
            City("Chandigarh", "CHA", "CH", "160"),
            City("Lucknow", "LUC", "UP", "226"),
            City("Jaipur", "JAI", "RJ", "302"),
        ),
    ),
    "south": Region(
        0.25,
        (
            City("Bangalore", "BAN", "KA", "560"),
            City("Chennai", "CHE", "TN", "600"),
            City("Hyderabad", "HYD", "TS", "500"),
            City("Kochi", "KOC", "KL", "682"),
        ),
    ),
    "east": Region(
        0.12,
        (
            City("Kolkata", "KOL", "WB", "700"),
            City("Patna", "PAT", "BR", "800"),
            City("Bhubaneswar", "BHU", "OD", "751"),
            City("Guwahati", "GUW", "AS", "781"),
        ),
    ),
    "west": Region(
        0.28,
        (
            City("Mumbai", "MUM", "MH", "400"),
            City("Pune", "PUN", "MH", "411"),
            City("Ahmedabad", "AHM", "GJ", "380"),
            City("Goa", "GOA", "GA", "403"),
        ),
    ),
    "central": Region(
        0.08,
        (
            City("Bhopal", "BHO", "MP", "462"),
            City("Nagpur", "NAG", "MH", "440"),
            City("Indore", "IND", "MP", "452"),
            City("Raipur", "RAI", "CG", "492"),
        ),
    ),
    "northeast": Region(
        0.05,
        (
            City("Guwahati", "GUW", "AS", "781"),
            City("Imphal", "IMP", "MN", "795"),
            City("Shillong", "SHI", "ML", "793"),
            City("Agartala", "AGA", "TR", "799"),
        ),
    ),
}

TIERS = {"bronze": 0.50, "silver": 0.30, "gold": 0.15, "platinum": 0.05}
CHANNELS = {"pos_in_store": 0.25, "web": 0.20, "mobile_app": 0.35, "marketplace": 0.15, "call_center": 0.05}
PAYMENT_METHODS = {
    "credit_card": 0.30,
    "debit_card": 0.20,
    "upi": 0.25,
    "wallet": 0.10,
    "bank_transfer": 0.05,
    "cod": 0.08,
    "gift_card": 0.02,
}
STATUSES = {"completed": 0.92, "pending": 0.04, "failed": 0.02, "refunded": 0.015, "chargeback": 0.005}

CARD_METHODS = ("credit_card", "debit_card")
CARD_NETWORKS = {"visa": 0.40, "mastercard": 0.30, "rupay": 0.20, "amex": 0.06, "discover": 0.04}
"""Of card payments; every other payment has no network."""

STORE_CHANNELS = ("pos_in_store", "call_center")
"""Channels whose sales are booked in a store; all others have none."""
DEVICES: dict[str, dict[str, float]] = {
    "web": {"android": 0.18, "ios": 0.12, "desktop": 0.62, "tablet": 0.08},
    "mobile_app": {"android": 0.68, "ios": 0.27, "tablet": 0.05},
    "marketplace": {"android": 0.45, "ios": 0.20, "desktop": 0.30, "tablet": 0.05},
}
"""Devices by digital channel. Only these channels have a device, a session and an address."""

PREFERRED_CHANNEL_SHARE = 0.6
"""Share of a customer's purchases through the preferred channel; the others are spread as ``CHANNELS`` says."""


@dataclass(frozen=True)
class Span:
    """Whole numbers from ``lowest`` to ``highest``, both included and equally likely, drawn with this ``weight``."""

    weight: float
    lowest: int
    highest: int


QUANTITIES = (Span(0.70, 1, 1), Span(0.20, 2, 2), Span(0.10, 3, 5))
DISCOUNT_PERCENTS = (Span(0.60, 0, 0), Span(0.30, 5, 15), Span(0.10, 20, 50))
TAX_PERCENT = 9

FRAUD_RATE = 0.02
FRAUD_SCORES = (0.70, 1.00)
HONEST_SCORES = (0.00, 0.15)
"""Range of the score of fraudulent and of other transactions, uniform, to four decimals."""

CURRENCY = "USD"

BUSINESS_HOURS = range(8, 22)
HOUR_WEIGHTS = (
    *(0.20, 0.15, 0.10, 0.10, 0.10, 0.15, 0.25, 0.50),
    *(0.90, 1.10, 1.30, 1.40, 1.50, 1.40, 1.30, 1.20, 1.20, 1.30, 1.50, 1.70, 1.60, 1.20),
    *(0.60, 0.35),
)
"""How busy each hour of the day (UTC) is: quiet nights, business from 08 to 22 with crests at noon and at 19."""


LEAST_POOL_SIZES = {"customers": 1, "products": len(CATEGORIES), "stores": 1}
"""Every category must have a product, or its share of the transactions could not be kept."""


@dataclass(frozen=True)
class PoolSizes:
    """How many customers, products and stores there are. ``ValueError`` for a pool that is too small."""

    customers: int = 5_000
    products: int = 500
    stores: int = 50

    def __post_init__(self) -> None:
        for name, least in LEAST_POOL_SIZES.items():
            if getattr(self, name) < least:
                raise ValueError(f"there must be at least {least} {name}, not {getattr(self, name)}")


def category_weights(weekend: bool | None = None) -> dict[str, float]:
    """Weight by category; of a weekend or a weekday with its boost, so that they no longer sum to 1.

    >>> round(category_weights(weekend=True)["grocery"] / category_weights(weekend=False)["grocery"], 9)
    1.4
    """
    boost = {} if weekend is None else WEEKEND_BOOST if weekend else WEEKDAY_BOOST
    return {name: category.weight * boost.get(name, 1.0) for name, category in CATEGORIES.items()}


def day_weight(weekend: bool) -> float:
    """How many transactions a weekend day or a weekday has, relative to one without boost."""
    return math.fsum(category_weights(weekend).values())
