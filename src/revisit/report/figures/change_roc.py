"""ROC curves of estimates of change against what has changed: a panel a method and modality."""

from collections.abc import Sequence
from pathlib import Path

from revisit.report import change_estimates, words
from revisit.report.change_estimates import Told
from revisit.report.drawing import Drawing
from revisit.report.facts import Facts
from revisit.report.figures import style

THIN = 0.5  # opacity of the curves of several seeds


def draw(paths: Sequence[Path], facts: Facts, out: Path) -> None:
    """A curve an estimate and seed; the legends have the area under it, of several seeds the mean."""
    from sklearn.metrics import roc_curve

    groups: dict[tuple[str, str], list[Told]] = {}
    for one in change_estimates.told(paths, facts):
        groups.setdefault((one.encoder.title, one.encoder.modality), []).append(one)
    across = min(len(groups), 3)
    down = -(-len(groups) // across)
    with style.figure(out, 3.4 * across, 3.7 * down) as figure:
        every = list(figure.subplots(down, across, squeeze=False).flat)
        for axes, ((title, modality), group) in zip(every, groups.items(), strict=False):
            axes.plot([0, 1], [0, 1], color=style.REFERENCE, lw=0.8, ls=":")
            for number, name in enumerate(group[0].estimates):
                drawn = [one for one in group if one.decided]
                for one in drawn:
                    false, true, _ = roc_curve(one.changed, one.estimates[name])
                    alpha = 1.0 if len(group) == 1 else THIN
                    axes.plot(false, true, color=style.colour_of(number), alpha=alpha)
                area = [
                    change_estimates.auc(one.estimates[name][one.changed], one.estimates[name][~one.changed])
                    for one in drawn
                ]
                mean = f"{words.PERCENT * sum(area) / len(area):.1f}" if area else "no curve"
                axes.plot([], [], color=style.colour_of(number), label=f"{name}: {mean}")
            axes.set_title(f"{title}, {words.modality(modality)}")
            axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
            axes.set(xlabel="share of unchanged places above", ylabel="share of changed places above")
            area_of = "AUC in %" if len(group) == 1 else f"AUC in %, mean of {len(group)} seeds"
            axes.legend(loc="lower right", title=area_of, title_fontsize=8)
        for axes in every[len(groups) :]:
            axes.set_visible(False)


FIGURE = Drawing(
    per="study",
    source="changes",
    title="Change as estimated and as it was",
    section="results",
    caption="ROC curves: shares of places above a threshold, of those that have changed and of the others.",
    applies=lambda facts: any(one.estimates_change and one.change_known for one in facts.encoders),
    draw=draw,
)
