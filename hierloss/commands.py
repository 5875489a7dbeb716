"""The commands `hierloss train`, `hierloss predict` and `hierloss evaluate`."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click
from rich.console import Console

from hierloss._complete import complete
from hierloss._train_files import check_model_file, valid_file
from hierloss.cli import (
    DEVICE,
    KEEP,
    KIND,
    OUT_FILE,
    _console,
    _explained,
    apart,
    in_options,
    inspect,
)

if TYPE_CHECKING:
    from hierloss._sample_labels import OnUnknown, OnUnlabelled
    from hierloss.fitting import Fitted
    from hierloss.hierarchy import Hierarchy
    from hierloss.samples import Samples

P = ParamSpec("P")
R = TypeVar("R")

MODEL_NAMES = "MLP, HLSTM, CHMC-LSTM, CHMCNN, HMCN-CHMC, HMCN-R, HMCN-F or HMC-LMLP"
IN_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _options(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> Any:
    """Options as NAME=VALUE, values as JSON or as they are, and a tab also as it is in shells."""
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"expected NAME=VALUE, got {text!r}")
        try:
            found[name] = json.loads(value)
        except json.JSONDecodeError:
            found[name] = "\t" if value == r"\t" else value
    return found


READING = click.option(
    "--read",
    "reading",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_options,
    help="How to read FILE: encoding or delimiter of a table, such as delimiter=';'; encoding, "
    "kind, sep, zero_ends, sparse_base or on_cycle of an ARFF file; may be repeated.",
)


LABELLED = (
    click.option("--labels", metavar="COLUMN", help="The column with the names of the classes."),
    click.option("--sep", default=";", show_default=True, help="What separates these names."),
    click.option(
        "--on-unlabelled",
        type=click.Choice(["raise", "drop", "negative"]),
        help="Rows without names of classes, or a known label: negative says that they are of no "
        "class.  [default: raise, or kept where classes have columns]",
    ),
    click.option(
        "--on-unknown",
        type=KEEP,
        default="raise",
        show_default=True,
        help="Names that are no class.",
    ),
    click.option(
        "--ignore",
        multiple=True,
        metavar="COLUMN",
        help="A column that is no feature, such as a date; may be repeated.",
    ),
    READING,
)


def _labelled(command: Callable[P, R]) -> Callable[P, R]:
    """A command with the options that say where the labels of samples are."""
    for option in reversed(LABELLED):
        command = option(command)
    return command


@click.command()
@click.argument("file", type=IN_FILE)
@click.option("--hierarchy", type=IN_FILE, help="Of the classes; an ARFF file has its own.")
@click.option("--format", "kind", type=KIND, help="What that file is, as in `hierloss inspect`.")
@_labelled
@click.option(
    "--without",
    multiple=True,
    metavar="CLASS",
    help="A class to leave out of loss and predictions, such as an artificial root; may be "
    "repeated.",
)
@click.option("--model", default="MLP", show_default=True, help=f"One of {MODEL_NAMES}.")
@click.option(
    "-o",
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_options,
    help="An argument of the model's class, such as hidden=128; may be repeated.",
)
@click.option(
    "--valid",
    default="0.2",
    show_default=True,
    metavar="SHARE|FILE",
    help="Rows to choose the best epoch by: a share of the file, or another file; 0 for none.",
)
@click.option("--epochs", default=100, show_default=True, help="The greatest number of epochs.")
@click.option(
    "--patience",
    default=10,
    show_default=True,
    help="Stop after so many epochs without a better AU(PRC) on the validation rows.",
)
@click.option("--batch", default=32, show_default=True, help="Rows of a batch.")
@click.option("--lr", default=1e-3, show_default=True, help="The learning rate.")
@click.option("--weight-decay", default=1e-5, show_default=True, help="The L2 penalty.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Where randomness starts.",
)
@DEVICE
@click.option(
    "--out", type=OUT_FILE, default="model.safetensors", show_default=True, help="The model's file."
)
@_explained
def train(
    file: Path,
    hierarchy: Path | None,
    kind: str | None,
    labels: str | None,
    sep: str,
    on_unlabelled: OnUnlabelled | None,
    on_unknown: OnUnknown,
    ignore: tuple[str, ...],
    reading: Mapping[str, Any],
    without: tuple[str, ...],
    model: str,
    options: Mapping[str, Any],
    valid: str,
    epochs: int,
    patience: int,
    batch: int,
    lr: float,
    weight_decay: float,
    seed: int,
    device: str,
    out: Path,
) -> None:
    """Train a model on an ARFF, CSV, TSV or Parquet file.

    Stop it at will: the same command goes on from an epoch of the last minute, or the last one.
    """
    from hierloss._progress import progress
    from hierloss.fitting import fit, split
    from hierloss.samples import read_samples
    from hierloss.training import Settings

    other = valid_file(valid, file)
    apart(out, file, hierarchy, other)
    check_model_file(out)
    tree = None if hierarchy is None else _read_hierarchy(hierarchy, kind)
    console = _console()

    def read(path: Path, like: Samples | None = None) -> Samples:
        with _warnings_to(console):
            return read_samples(
                path,
                tree if like is None else like.hierarchy,
                labels=labels,
                sep=sep,
                ignore=ignore,
                features=None if like is None else like.names,
                on_unlabelled=on_unlabelled,
                on_unknown=on_unknown,
                reading=reading,
            )

    rows, held_out = read(file), None
    if other is None:
        rows, held_out = split(rows, float(valid), seed)
    else:
        held_out = read(other, rows)
    settings = Settings(
        epochs=epochs,
        batch=batch,
        lr=lr,
        weight_decay=weight_decay,
        patience=None if held_out is None else patience,
        seed=seed,
    )
    state = out.with_name(f"{out.name}.part")
    try:
        with _warnings_to(console), progress(console, epochs) as shown:
            fitted = fit(
                model,
                rows,
                held_out,
                settings,
                options=options,
                left_out=without,
                device=device,
                state=state,
                progress=shown.step,
                epoch=shown.epoch,
            )
    except KeyboardInterrupt:
        if state.exists():
            console.print(f"stopped; what {state} has goes on with the same command")
        raise
    fitted.checkpoint.save(out)
    state.unlink(missing_ok=True)
    console.print(_summary(fitted, rows, held_out))
    console.print(f"saved {out}")


@click.command()
@click.argument("model", type=IN_FILE)
@click.argument("file", type=IN_FILE)
@click.option(
    "--out",
    type=OUT_FILE,
    default="predictions.csv",
    show_default=True,
    help="Where to: a .csv, .tsv or .parquet.",
)
@click.option("--id", metavar="COLUMN", help="The column that names the rows.")
@READING
@click.option("--threshold", type=float, help="Only classes whose probability is at least this.")
@click.option("--top", type=int, help="Only the likeliest classes, so many.")
@click.option(
    "--block",
    type=click.IntRange(min=1),
    default=1024,
    show_default=True,
    help="Rows in memory at a time.",
)
@_explained
def predict(
    model: Path,
    file: Path,
    out: Path,
    id: str | None,
    reading: Mapping[str, Any],
    threshold: float | None,
    top: int | None,
    block: int,
) -> None:
    """Predict coherent probabilities of classes with a MODEL for the rows of a FILE.

    With --threshold or --top there is a line for each predicted class, otherwise a column.
    """
    from hierloss.checkpoint import Checkpoint
    from hierloss.predictions import tables
    from hierloss.samples import read_features
    from hierloss_adapters.tabular import write_table

    apart(out, model, file)
    checkpoint = Checkpoint.load(model)
    rows = 0
    console = _console()
    blocks = read_features(file, checkpoint.features, id=id, size=block, reading=reading)
    with write_table(out) as table, console.status("predicting") as status:
        for columns in tables(checkpoint, blocks, id=id or "row", threshold=threshold, top=top):
            if columns[id or "row"]:  # a Parquet file has its types from the first rows
                table.write(columns)
                rows += len(set(map(str, columns[id or "row"])))
                status.update(f"{rows:,} rows")
        if not rows:
            table.write(columns)
    console.print(f"wrote {out}")


@click.command()
@click.argument("model", type=IN_FILE)
@click.argument("file", type=IN_FILE)
@_labelled
@click.option(
    "--threshold",
    default=0.5,
    show_default=True,
    help="A class is predicted if its probability is at least this.",
)
@click.option("--json", "out", type=OUT_FILE, help="Write the numbers there too.")
@_explained
def evaluate(
    model: Path,
    file: Path,
    labels: str | None,
    sep: str,
    on_unlabelled: OnUnlabelled | None,
    on_unknown: OnUnknown,
    ignore: tuple[str, ...],
    reading: Mapping[str, Any],
    threshold: float,
    out: Path | None,
) -> None:
    """Judge what a MODEL predicts for the rows of a FILE, whose classes are known."""
    from hierloss._evaluation import evaluate as judge
    from hierloss.checkpoint import Checkpoint
    from hierloss.samples import read_samples

    apart(out, model, file)
    checkpoint = Checkpoint.load(model)
    console = _console()
    with _warnings_to(console):
        samples = read_samples(
            file,
            checkpoint.model.hierarchy,
            labels=labels,
            sep=sep,
            ignore=ignore,
            features=checkpoint.features,
            on_unlabelled=on_unlabelled,
            on_unknown=on_unknown,
            reading=reading,
        )
    found = judge(checkpoint, samples, threshold=threshold)
    console.print(
        f"{found.rows:,} rows, {found.classes:,} classes, {found.positive_classes:,} of them with "
        f"rows\nAU(PRC) {found.auprc:.4f} as in C-HMCNN, {found.auprc_clus:.4f} as in Clus\n"
        f"at {threshold:g}: precision {found.precision:.4f}, recall {found.recall:.4f}, "
        f"F {found.f:.4f}, hierarchical\nviolation rate {found.violation_rate:.4f}"
    )
    if out is not None:
        with complete(out) as part:
            part.write_text(f"{json.dumps(found._asdict(), indent=2)}\n", encoding="utf-8")
        console.print(f"wrote {out}")


def _read_hierarchy(path: Path, kind: str | None) -> Hierarchy:
    from hierloss.inspection import read

    try:
        return read(path, kind=kind).hierarchy
    except ValueError as error:
        raise ValueError(
            f"{in_options(str(error), inspect)}\nOptions for reading a hierarchy are those of "
            f"hierloss inspect {path}: save it there by --save hierarchy.npz, and give that file"
        ) from error


@contextmanager
def _warnings_to(console: Console) -> Iterator[None]:
    """A context whose warnings are printed in the end, as one line each."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", UserWarning)
        yield
    for warning in found:
        console.print(in_options(str(warning.message), click.get_current_context().command))


def _summary(fitted: Fitted, rows: Samples, held_out: Samples | None) -> str:
    h = rows.hierarchy
    text = f"{len(rows.features):,} rows, {len(rows.names):,} features, {len(h):,} classes; "
    if held_out is None:
        return text + f"{len(fitted.history)} epochs"
    text += f"best of {len(fitted.history)} epochs: {fitted.best.epoch}"
    if fitted.best.stage:
        text += f" of stage {fitted.best.stage + 1}"
    return text + f", with AU(PRC) {fitted.auprc:.4f} on {len(held_out.features):,} other rows"
