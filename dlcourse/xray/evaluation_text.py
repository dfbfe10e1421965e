"""An evaluation as a page to read."""

from collections.abc import Iterator, Sequence
from typing import Any

from dlcourse import text_tables

_RULES = {"youden": "Youden: most sensitivity + specificity"}


def as_markdown(evaluation: dict[str, Any], *, title: str) -> str:
    """`results.md`, from what `evaluation.evaluate` says."""
    e = evaluation
    lines = [
        f"# {text_tables.as_markdown(title)}",
        "",
        f"{e['finding']} in {e['images']} test images of {e['patients']} patients; "
        f"{e['positives']} images are positive ({e['prevalence']:.1%}).",
        f"Intervals: {e['interval']}{_left_out(e['resamples_left_out'])}; those of shares are "
        f"Wilson's, for as many independent images as the images of these patients are worth.",
        "Labels are mined from reports, unless it says otherwise. **Not for diagnosis.**",
        *([f"**{e['reason']}.**"] if e["reason"] else []),
        "",
        *_rows(e),
        "",
        *_operating_points(e["operating_points"]),
        "",
        *_subgroups(e["subgroups"]),
    ]
    if e["adjudicated"]:
        lines += ["", *_adjudicated(e["adjudicated"])]
    if e.get("localisation"):
        lines += ["", *_localisation(e["localisation"])]
    if e.get("findings"):
        lines += ["", *_findings(e["findings"])]
    return "\n".join(lines) + "\n"


def _left_out(resamples: int | None) -> str:
    return f" ({resamples} without a class left out)" if resamples else ""


def _rows(e: dict[str, Any]) -> Iterator[str]:
    yield "| | AUROC | average precision | NLL | Brier |"
    yield "|---|---|---|---|---|"
    for name, row in e["test"].items():
        cells = [_with_interval(row, key) for key in ("auroc", "average_precision", "nll")]
        yield f"| {name} | {' | '.join(cells)} | {_number(row['brier'])} |"
    yield ""
    yield (
        f"Model minus metadata, AUROC: {_with_interval(e['model_minus_metadata'], 'auroc', '+.3f')}"
        f" (paired, on the same resamples). NLL in {e['unit']} (likelihood of the label, yes or "
        f"no), lower is better. Metadata only: age, sex, view, follow-up number, never the pixels; "
        f"constant: the prevalence in training. Expected calibration error of the model: "
        f"{e['calibration']['ece']:.3f} ({e['calibration']['kind']} bins)."
    )


def _operating_points(points: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield "## Operating points"
    yield ""
    yield "Thresholds are chosen on the validation split and applied to the test."
    yield ""
    yield "| rule | threshold | TP | FP | FN | TN | sensitivity | specificity | PPV | NPV |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for point in points:
        rule = _RULES.get(point["rule"], point["rule"])
        if point["reason"]:
            yield f"| {rule} | - | | | | | {point['reason']} | | | |"
            continue
        counts = [str(point[key]) for key in ("tp", "fp", "fn", "tn")]
        keys = ("sensitivity", "specificity", "ppv", "npv")
        shares = [_with_interval(point, key) for key in keys]
        yield f"| {rule} | {point['threshold']:.3g} | {' | '.join(counts + shares)} |"


def _subgroups(groups: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield "## Subgroups"
    yield ""
    yield "| group | images | positive | AUROC of the model |"
    yield "|---|---|---|---|"
    for row in groups:
        what = row["reason"] or _with_interval(row, "auroc")
        yield f"| {row['group']}: {row['value']} | {row['images']} | {row['positives']} | {what} |"


def _adjudicated(row: dict[str, Any]) -> Iterator[str]:
    yield "## Adjudicated labels"
    yield ""
    auroc = row["reason"] or _with_interval(row, "auroc")
    yield (
        f"A panel of radiologists read {row['images']} of the test images anew and called "
        f"{row['positives']} positive. AUROC of the model against the panel: {auroc}. The mined "
        f"label against the panel: sensitivity {_with_interval(row, 'label_sensitivity')}, "
        f"PPV {_with_interval(row, 'label_ppv')}."
    )


def _localisation(report: dict[str, Any]) -> Iterator[str]:
    columns = ("model", "random", "prior", "ceiling", "model - prior")
    yield "## Where the maps lie"
    yield ""
    yield (
        f"{report['images']} positives with a mask or box, of {report['patients']} patients; maps "
        f"of {report['grid'][0]} x {report['grid'][1]} cells. Random: maps of noise. Prior: the "
        f"best guess from where other patients' findings lie, the image unread. Ceiling: the best "
        f"that whole cells can do."
    )
    yield ""
    yield f"| | {' | '.join(columns)} |"
    yield f"|---|{'---|' * len(columns)}"
    for name, row in report["scores"].items():
        yield f"| {name} | {' | '.join(_mean(row[column]) for column in columns)} |"


def _mean(value: dict[str, Any] | None) -> str:
    if value is None:
        return ""
    return _with_interval({"mean": value["mean"], "mean_interval": value["interval"]}, "mean")


def _findings(findings: dict[str, Any]) -> Iterator[str]:
    keys = ("auroc", "average_precision")
    yield "## Every finding"
    yield ""
    yield "| | positives | AUROC | average precision |"
    yield "|---|---|---|---|"
    for name, row in findings["findings"].items():
        cells = ["-" if row[key] is None else _number(row[key]) for key in keys]
        yield f"| {name} | {row['positives']} | {' | '.join(cells)} |"
    macro = findings["macro"]
    if macro["auroc"] is not None:
        means = " | ".join(_number(macro[key]) for key in keys)
        yield f"| mean of {macro['findings']} | | {means} |"


def _with_interval(row: dict[str, Any], key: str, form: str = ".3f") -> str:
    value, ends = row[key], row[f"{key}_interval"]
    if value is None or ends is None:
        return _number(value, form)
    return f"{value:{form}} ({ends[0]:{form}} to {ends[1]:{form}})"


def _number(value: float | None, form: str = ".3f") -> str:
    return "not defined" if value is None else f"{value:{form}}"
