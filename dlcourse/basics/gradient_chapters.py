"""The chapters about gradients: automatic differentiation, and training with it."""

import torch

from dlcourse.basics.chapters import Chapter, Options, drawn, heading, text, that_ran
from dlcourse.basics.differentiation import (
    backward_diagram,
    derivatives,
    differences,
    f,
)
from dlcourse.basics.fitting import (
    accuracy_of,
    baseline,
    fit,
    loss_of,
    source,
    toy_problem,
)
from dlcourse.basics.models import Expression, Perceptron
from dlcourse.basics.pictures import draw_border, draw_losses, draw_parabola
from dlcourse.pages import figure, table

AT = 4.0


def differentiation(options: Options) -> Chapter:
    """x² + 3 with two derivatives at 4, and the graphs of backward."""
    values = [value.item() for value in derivatives(f, AT)]
    numerical = differences(f, AT)
    names = ("f(4)", "f′(4)", "f″(4)")
    rows = [
        (name, f"{value:.6g}", f"{other:.6f}")
        for name, value, other in zip(names, values, numerical, strict=True)
    ]
    draw_parabola(options.folder / "parabola.png", at=AT, value=values[0], slope=values[1])
    return Chapter(
        "4. Automatic differentiation",
        [
            text(
                "While an expression of tensors runs, torch notes for every operation how to go",
                "backwards through it. f(x) = x² + 3 at 4 has the derivatives 2x = 8 and 2.",
            ),
            that_ran(f, derivatives),
            table(["", "autograd", "central differences"], rows),
            figure("parabola.png", "f and its tangent at 4, whose slope is the derivative"),
            heading("The graph of backward"),
            text(
                "Every result points to its grad_fn, and that one to those before it. backward()",
                "walks from the result to the leaves, multiplies as the chain rule says, and adds",
                "up where ways meet: b is used twice in e = (a + b)(b − 1), so that it gets",
                "3 + 6 = 9.",
            ),
            *_backward_pictures(options),
        ],
        {"derivatives": values},
    )


def _backward_pictures(options: Options) -> list[str]:
    """Of e at (2, 4), and of the first derivative, which gives the second."""
    a, b = (torch.tensor(value, requires_grad=True) for value in (2.0, 4.0))
    of_e = backward_diagram(Expression()(a, b), {"a": a, "b": b})
    x = torch.tensor(AT, requires_grad=True)
    (slope,) = torch.autograd.grad(f(x), x, create_graph=True)
    of_slope = backward_diagram(slope, {"x": x})
    return [
        drawn(
            of_e, "backward.svg", "Backward graph of e with its gradients", folder=options.folder,
            caption="Of e = (a + b)(b − 1) at (2, 4), with the gradient that reaches each node.",
        ),
        drawn(
            of_slope, "backward-slope.svg", "Backward graph of the slope of f",
            folder=options.folder,
            caption="Of f′ at 4: the gradient 8 has a graph of its own, which gives f″ = 2.",
        ),
    ]  # fmt: skip


def training(options: Options) -> Chapter:
    """The perceptron on two classes of points."""
    generator = torch.Generator().manual_seed(options.seed)
    train = toy_problem(options.points // 2, generator)
    test = toy_problem(options.points - options.points // 2, generator)
    model = Perceptron()
    before = (loss_of(model, test), accuracy_of(model, test))
    losses = fit(model, train, test, steps=options.steps, rate=options.rate)
    after = (loss_of(model, test), accuracy_of(model, test))
    best = (loss_of(source(), test), accuracy_of(source(), test))
    guess = baseline(train, test)
    draw_losses(options.folder / "losses.png", losses, guess=guess[0], best=best[0])
    draw_border(options.folder / "border.png", model, test)
    rows = [
        ("only how frequent the classes are", *guess),
        ("perceptron before training, W = (1, 1), b = 0", *before),
        (f"perceptron after {options.steps} steps", *after),
        ("the perceptron that the classes were drawn from", *best),
    ]
    learned = [*model.weight.tolist(), model.bias.item()]
    return Chapter(
        "6. Training the perceptron",
        [
            text(
                "A toy problem: points in the plane, and the class of each is drawn with the",
                "probability that a perceptron with W = (2, −1) and b = 0.5 gives. So it is known",
                "how well one can do. Training takes the gradient of the mean cross-entropy on",
                f"{len(train.y)} points and goes a step against it, {options.steps} times with",
                f"rate {options.rate:g}; the table is about {len(test.y)} other points.",
            ),
            that_ran(toy_problem, fit),
            table(["on points never seen", "nats a point", "accuracy"], rows),
            text(f"Learned: W = ({learned[0]:.3g}, {learned[1]:.3g}), b = {learned[2]:.3g}."),
            figure("losses.png", "Loss over the steps of training, baseline and best beside it"),
            figure("border.png", "The points never seen with the learned border and the true one"),
        ],
        {"baseline": guess, "before": before, "after": after, "best": best, "learned": learned},
    )
