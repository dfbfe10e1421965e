"""Priors over the next frame: what a musician asks for, laid over what a network has learnt.

A term gives every key a log-weight for each of its three states, OFF, HELD and STRUCK. Terms are
summed, each times its weight, and the sum is added to the logits before a decision is drawn: the
option "key k in state s" gets w[k, s] - w[k, OFF]. So probabilities are multiplied and normalised
anew: a product of experts (Hinton, Training Products of Experts by Minimizing Contrastive
Divergence, Neural Computation 2002), of which one is the network,

    p(option | past, decided so far) * prod_i exp(weight_i * term_i(option)) / Z,

with a Z for every *decision*, and this is what it means for a whole frame:

- a categorical head decides once a frame: exact, the frame is drawn from the product;
- a factorised head decides once a key, independently: as the log-weight of a frame is the sum over
  its keys, Z factorises as well, and the product is exact again;
- a joint head (`set_softmax`, `nade`) decides key after key, each given the ones before: the
  product is local. A decision does not know how much weight those after it will lose, so the frame
  follows the network's conditionals bent one by one, and not the product of its frame
  distribution with the prior. The same is true of any head under a term that looks at what has
  been decided in this frame (`within_frame`), and, for every head, from frame to frame: no term
  looks ahead. See Lew et al., Sequential Monte Carlo Steering of LLMs using Probabilistic
  Programs (2023), on what local normalisation costs; it is what keeps a draw to a single pass.

A hard term is 0 or -inf, the same whatever its weight, and never forbids OFF: silence is always
possible, so hard terms can be combined without running into a dead end, and hold in every head.

One file a term; `prior` has what they share and their composition. Shape legend: N songs drawn
together, t earlier frames, P keys from the lowest on (key k is MIDI pitch low + k).
"""
