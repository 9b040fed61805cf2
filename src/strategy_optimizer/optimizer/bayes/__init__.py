"""Bayesian optimisation: a Gaussian process learns the landscape, an acquisition function asks where to look.

Read in this order: `kernel` (how alike two points are), `gaussian_process` (what is believed), `warping` (scores
made fit for it), `acquisition` (what a trial is worth), `candidates` (where that is looked for).
"""
