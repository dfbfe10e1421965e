"""The distribution of a frame, given what the network says of it.

The network ends in a vector for every frame; a head makes a distribution over frames of it, as a
chain of decisions, each of them a softmax. Whatever acts on a softmax acts on every head: losses,
samplers, priors. The likelihood of a frame is the product over its decisions, and exact.
"""

from dlcourse.music.heads.bernoulli import Bernoulli
from dlcourse.music.heads.categorical import Categorical
from dlcourse.music.heads.head import Decisions, Drawing, Head
from dlcourse.music.heads.nade import NADE
from dlcourse.music.heads.set_softmax import SetSoftmax

__all__ = ["NADE", "Bernoulli", "Categorical", "Decisions", "Drawing", "Head", "SetSoftmax"]
