"""Every contract by name. A stream is added by a module beside this one and a line here."""

from __future__ import annotations

from streamguard_assets.contracts.contract import Contract
from streamguard_assets.contracts.security import SECURITY
from streamguard_assets.contracts.transactions import TRANSACTIONS

CONTRACTS: dict[str, Contract] = {contract.name: contract for contract in (SECURITY, TRANSACTIONS)}


def contract(name: str) -> Contract:
    """The contract called ``name``; ``LookupError`` lists the known ones."""
    try:
        return CONTRACTS[name]
    except KeyError:
        raise LookupError(f"there is no contract {name!r}; known contracts: {', '.join(sorted(CONTRACTS))}") from None
