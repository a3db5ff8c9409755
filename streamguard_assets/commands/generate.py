"""``streamguard generate``: realistic events, live or of the past, into a topic or a file."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from streamguard_assets.commands.event_runs import (
    MILLISECOND,
    BootstrapServersOption,
    CountOption,
    DurationOption,
    LiftRetentionOption,
    OutputOption,
    Plan,
    SeedOption,
    StartOption,
    drawn_seed,
    file_sink,
    report,
    run,
    settings_with,
    topic_sink,
)
from streamguard_assets.commands.lazy import MARKUP
from streamguard_assets.commands.output import Format, JsonOption, chosen_format, print_note, print_text
from streamguard_assets.generators.attackers import DEFAULT_ATTACKERS, KINDS
from streamguard_assets.generators.retail.arrivals import STEADY, Arrivals
from streamguard_assets.generators.retail.distributions import FRAUD_RATE, HOUR_WEIGHTS, LEAST_POOL_SIZES, PoolSizes
from streamguard_assets.generators.retail.live import Shop, Times, transactions
from streamguard_assets.generators.security import DEFAULT_USERS, activity_for, attacks_within, trickle
from streamguard_assets.generators.truth import truth_file_of, write_truth

DEFAULT_RATE = 10.0

CustomersOption = Annotated[
    int,
    typer.Option(envvar="NUM_CUSTOMERS", show_envvar=True, min=LEAST_POOL_SIZES["customers"], help="Size of the pool."),
]
ProductsOption = Annotated[
    int,
    typer.Option(envvar="NUM_PRODUCTS", show_envvar=True, min=LEAST_POOL_SIZES["products"], help="Size of the pool."),
]
StoresOption = Annotated[
    int, typer.Option(envvar="NUM_STORES", show_envvar=True, min=LEAST_POOL_SIZES["stores"], help="Size of the pool.")
]
FraudRateOption = Annotated[
    float,
    typer.Option(envvar="FRAUD_RATE", show_envvar=True, min=0.0, max=1.0, help="Share of fraudulent transactions."),
]

MOST_LIVE_RATE = 500.0
"""Events per second that a live company makes at most; its first event then comes after some ten seconds."""

app = typer.Typer(help="Make realistic events, live or of the past.", no_args_is_help=True, rich_markup_mode=MARKUP)


@app.command("transactions")
def generate_transactions(
    rate: Annotated[
        float,
        typer.Option(
            envvar="EVENTS_PER_SECOND",
            min=0.0,
            help="Events per second in the mean of a day; 0: as fast as possible, stamped with the present.",
        ),
    ] = DEFAULT_RATE,
    unthrottled: Annotated[bool, typer.Option("--unthrottled", help="The same as --rate 0.")] = False,
    steady: Annotated[bool, typer.Option("--steady", help="The same rate day and night.")] = False,
    duration: DurationOption = None,
    count: CountOption = None,
    fraud_rate: FraudRateOption = FRAUD_RATE,
    customers: CustomersOption = PoolSizes.customers,
    products: ProductsOption = PoolSizes.products,
    stores: StoresOption = PoolSizes.stores,
    seed: SeedOption = None,
    start: StartOption = None,
    topic: Annotated[
        str | None,
        typer.Option(envvar="KAFKA_TOPIC", help="Another topic than that of the stream.", show_default=False),
    ] = None,
    bootstrap_servers: BootstrapServersOption = None,
    lift_retention: LiftRetentionOption = None,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Retail transactions, live until Ctrl-C, keyed by transaction id.

    The rate follows the clock (UTC): it is --rate in the mean of a whole day, about twice that at noon and in the
    evening, and a tenth of it at night. Ctrl-C delivers what is on its way and tells what was sent.

    ```
    streamguard generate transactions
    streamguard generate transactions --rate 50 --steady --duration 600
    streamguard generate transactions --unthrottled --count 1000000
    streamguard generate transactions --seed 7 --start 2026-01-01 --duration 86400 --output day.ndjson
    ```

    With --start nothing waits, records carry the times of their events, and the same arguments give the same bytes.

    Options win over the variables KAFKA_BOOTSTRAP_SERVERS, KAFKA_TOPIC, EVENTS_PER_SECOND, FRAUD_RATE, NUM_CUSTOMERS,
    NUM_PRODUCTS and NUM_STORES, and these over settings and defaults.
    """
    form, seed = chosen_format(as_json), drawn_seed(seed)
    plan = Plan.of(start, count, duration, output)
    times = _times(plan, 0.0 if unthrottled else rate, steady)
    events = transactions(seed, times, Shop(PoolSizes(customers, products, stores), fraud_rate))
    target, sink = (
        (str(output), file_sink(output))
        if output is not None
        else topic_sink(settings_with(bootstrap_servers), "transactions", topic, plan, lift_retention)
    )
    print_note(f"sending transactions of seed {seed} to {target}{_ends(plan)}")
    sent = run(events, plan, sink, wait=plan.live and times is not _present)
    report(sent, target, {"seed": seed}, form)


@app.command("security")
def generate_security(
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            help="Events per second in the mean of a working day, by making everyone busier or calmer; "
            "as busy as such a company is if absent.",
            show_default=False,
        ),
    ] = None,
    duration: DurationOption = None,
    count: CountOption = None,
    users: Annotated[int, typer.Option(min=0, help="Normal users, each with habits of their own.")] = DEFAULT_USERS,
    attackers: Annotated[
        str,
        typer.Option(help=f"Kinds with commas between them, or `all` or `none`. Known: {', '.join(KINDS)}."),
    ] = ",".join(DEFAULT_ATTACKERS),
    seed: SeedOption = None,
    start: StartOption = None,
    topic: Annotated[
        str | None, typer.Option(help="Another topic than that of the stream.", show_default=False)
    ] = None,
    bootstrap_servers: BootstrapServersOption = None,
    lift_retention: LiftRetentionOption = None,
    output: OutputOption = None,
    truth: Annotated[
        Path | None,
        typer.Option(help="Where to write who attacked; beside --output if absent.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Security events of a company with attackers among its users, live until Ctrl-C, keyed by user.

    Who attacked, and how, is told at the end, and written to a file: FILE.truth.json beside --output FILE, or where
    --truth says.

    ```
    streamguard generate security
    streamguard generate security --attackers all --truth truth.json --duration 3600
    streamguard generate security --seed 7 --start 2026-01-28 --duration 86400 --output day.ndjson
    ```

    With --start nothing waits, records carry the times of their events, and the same arguments give the same bytes.
    """
    form, seed = chosen_format(as_json), drawn_seed(seed)
    plan, kinds = Plan.of(start, count, duration, output), _kinds(attackers)
    if users + len(kinds) == 0:
        raise typer.BadParameter("a company without users and attackers makes no events", param_hint="--users")
    if plan.live and rate is not None and rate > MOST_LIVE_RATE:
        raise typer.BadParameter(
            f"a company is planned a day at a time, and at more than {MOST_LIVE_RATE:g} events per second the first "
            "event would come minutes late. For load, use `streamguard generate transactions --unthrottled`; for "
            "many security events, a day of the past with --start",
            param_hint="--rate",
        )
    activity = 1.0 if rate is None else activity_for(rate, seed, users, kinds)
    # Live, the first event must not wait for a whole day to be made.
    events = trickle(seed, plan.start, users, kinds, activity, span_hours=1.0 if plan.live else 24.0)
    target, sink = (
        (str(output), file_sink(output))
        if output is not None
        else topic_sink(settings_with(bootstrap_servers), "security", topic, plan, lift_retention)
    )
    print_note(f"sending security events of seed {seed} to {target}{_ends(plan)}")
    sent = run(events, plan, sink, wait=plan.live)
    # Only attacks whose events were sent are true: a run may end before the others begin.
    end = plan.start if sent.last is None else sent.last + MILLISECOND
    attacks = attacks_within(seed, plan.start, end, users, kinds, activity)
    facts = {"seed": seed, "users": users, "activity": activity, "events": sent.events}
    truth_file = truth or (None if output is None else truth_file_of(output))
    if truth_file is not None:
        write_truth(truth_file, attacks, {**facts, "start": plan.start.isoformat(), "end": end.isoformat()})
    report(sent, target, {**facts, "attackers": attacks, "truth_file": truth_file}, form)
    if form is not Format.JSON:
        print_text(f"attackers: {', '.join(f'{user} ({kind})' for user, kind in attacks.items()) or 'none yet'}")


def _times(plan: Plan, rate: float, steady: bool) -> Times:
    """When transactions happen. Without a rate: at the moment at which they are drawn, which only live events can."""
    if not math.isfinite(rate):
        raise typer.BadParameter("it must be a number of events per second", param_hint="--rate")
    if rate > 0:
        return Arrivals(plan.start_ms, rate, STEADY if steady else HOUR_WEIGHTS).times_ms
    if not plan.live:
        raise typer.BadParameter(
            "--start and --output make events of chosen times at once: say by a --rate above 0 how close together "
            "these times are",
            param_hint="--rate",
        )
    return _present


def _present(first: int, luck: np.ndarray) -> np.ndarray:
    """The present, for every event of a block."""
    return np.full(len(luck), time.time_ns() // 1_000_000)


def _kinds(text: str) -> list[str]:
    """The kinds of attackers that ``--attackers`` names; ``typer.BadParameter`` lists the known ones."""
    if text in ("all", "none"):
        return list(KINDS) if text == "all" else []
    kinds = [kind.strip() for kind in text.split(",") if kind.strip()]
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise typer.BadParameter(
            f"there is no kind {', '.join(map(repr, unknown))}; known: {', '.join(KINDS)}", param_hint="--attackers"
        )
    return kinds


def _ends(plan: Plan) -> str:
    return " …; Ctrl-C ends it" if plan.count is None and plan.duration_s is None else " …"
