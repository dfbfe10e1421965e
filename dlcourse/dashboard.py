"""The class's page at W&B as code: loss against options, maps of radiographs, songs to be heard.

It shows what `logger=wandb` logs of every run, grouped by the option files that runs were made of.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlcourse.errors import InputError
from dlcourse.files import write_json

if TYPE_CHECKING:
    from wandb_workspaces.reports.v2.interface import PanelTypes
    from wandb_workspaces.workspaces import Section, Workspace

STEP = "trainer/global_step"  # W&B's own steps count calls, and go on counting in a resumed run
OPTIONS = ("optimizer", "loss")  # groups of conf/ whose options are compared
CURVES = ("val/nll", "val/loss", "train/loss")
LIKELIHOOD = "test/nll"  # the yardstick of all losses; values of two losses are not comparable
BOTH = "both"
MOST = 50  # lines in a plot


@dataclass(frozen=True, kw_only=True)
class Lab:
    """What a lab's section shows.

    Attributes:
        title: Of the section.
        tasks: Options of conf/task, with which its runs are tagged.
        scores: Test metrics besides the likelihood.
        media: Keys of pictures and sounds, with what they are.
    """

    title: str
    tasks: tuple[str, ...]
    scores: tuple[str, ...]
    media: dict[str, str]


LABS = {
    "music": Lab(
        title="Music",
        tasks=("notes",),
        scores=("test/perplexity", "test/change"),
        media={"songs": "New songs", "rolls": "Their piano rolls"},
    ),
    "xray": Lab(
        title="X-rays",
        tasks=("pneumothorax", "findings"),
        scores=("test/auroc", "test/average_precision"),
        media={
            "maps": "Class activation maps while training",
            "evaluation": "ROC, precision-recall and reliability",
        },
    ),
}


def build_dashboard(*, entity: str, project: str, lab: str = BOTH) -> "Workspace":
    """The page, not yet sent anywhere.

    Args:
        entity: The W&B user or team.
        project: As in conf/logger/wandb.yaml.
        lab: "music", "xray" or "both"; of one lab it shows that lab's runs alone.

    Raises:
        InputError: The package is missing, or there is no such lab.
    """
    labs = list(LABS.values()) if lab == BOTH else [LABS[lab]] if lab in LABS else []
    if not labs:
        raise InputError(f"lab={lab}: choose one of {', '.join([*LABS, BOTH])}")
    try:
        import wandb_workspaces.workspaces as ws
        from wandb_workspaces import expr
    except ImportError as error:
        raise InputError(
            "the dashboard needs wandb-workspaces: pip install 'dlcourse[dashboard]'"
        ) from error
    tasks = [task for shown in labs for task in shown.tasks]
    return ws.Workspace(
        entity=entity,
        project=project,
        name="The labs" if lab == BOTH else f"The lab: {labs[0].title}",
        sections=[_losses(), *(_lab(shown) for shown in labs), _runs()],
        settings=ws.WorkspaceSettings(x_axis=STEP, max_runs=MOST),
        runset_settings=ws.RunsetSettings(
            filters="" if lab == BOTH else expr.And(expr.Tags().isin(tasks)),
            order=[expr.Ordering(expr.Summary(LIKELIHOOD), ascending=True)],
        ),
        auto_generate_panels=True,  # below: curves, tables and whatever else a run logs
    )


def _losses() -> "Section":
    import wandb_workspaces.reports.v2 as wr

    panels: list[PanelTypes] = []
    for option in OPTIONS:
        panels += [_curve(metric, option) for metric in CURVES]
        panels.append(_bars(LIKELIHOOD, option))
    columns = [wr.Config(f"choice.{option}") for option in OPTIONS]
    columns += [wr.Config("seed"), wr.SummaryMetric("val/nll"), wr.SummaryMetric(LIKELIHOOD)]
    panels.append(
        wr.ParallelCoordinatesPlot(
            title="From options to likelihood",
            columns=[wr.ParallelCoordinatesPlotColumn(metric=column) for column in columns],
        )
    )
    return _section("Loss against optimizer and loss function", panels)


def _lab(lab: Lab) -> "Section":
    import wandb_workspaces.reports.v2 as wr

    panels: list[PanelTypes] = [
        wr.MediaBrowser(title=title, media_keys=[key], num_columns=2)
        for key, title in lab.media.items()
    ]
    panels += [_bars(score, option) for score in lab.scores for option in OPTIONS]
    return _section(lab.title, panels)


def _runs() -> "Section":
    import wandb_workspaces.reports.v2 as wr

    best = wr.ScalarChart(title="Best test NLL", metric=LIKELIHOOD, groupby_aggfunc="min")
    return _section("Runs", [best, wr.RunComparer(diff_only="split")])


def _section(name: str, panels: "Sequence[PanelTypes]") -> "Section":
    import wandb_workspaces.workspaces as ws

    return ws.Section(name=name, is_open=True, panels=list(panels))


def _curve(metric: str, option: str) -> "PanelTypes":
    """A metric against steps: the mean over the runs of each option, and between which it lies."""
    import wandb_workspaces.reports.v2 as wr

    return wr.LinePlot(
        title=f"{metric} by {option}", x=STEP, y=[metric], title_x="optimizer step",
        groupby=wr.Config(f"choice.{option}"), groupby_aggfunc="mean", groupby_rangefunc="minmax",
        max_runs_to_show=MOST,
    )  # fmt: skip


def _bars(metric: str, option: str) -> "PanelTypes":
    import wandb_workspaces.reports.v2 as wr

    return wr.BarPlot(
        title=f"{metric} by {option}", metrics=[metric], groupby=wr.Config(f"choice.{option}"),
        groupby_aggfunc="mean", groupby_rangefunc="minmax", max_runs_to_show=MOST,
    )  # fmt: skip


def specification(dashboard: "Workspace") -> dict[str, Any]:
    """The page as W&B keeps it."""
    return dashboard._to_model().model_dump(mode="json", by_alias=True, exclude_none=True)


def save_dashboard(dashboard: "Workspace", path: str | Path) -> None:
    """Write the page's specification as JSON; needs no account."""
    write_json(path, specification(dashboard))


def push_dashboard(dashboard: "Workspace") -> str:
    """Make the page at W&B, as a new view of the project; returns its address.

    Raises:
        InputError: There is no key, or W&B refuses.
    """
    import wandb

    if not wandb.login(prompt=False, verify=False):
        raise InputError("no W&B key: `wandb login` opens an account; --save FILE needs none")
    try:
        dashboard.save()
    except Exception as error:  # W&B raises many kinds, some of them its own service's
        text = " ".join(str(error).split())
        raise InputError(f"W&B does not take the dashboard: {text}") from error
    return str(dashboard.url)
