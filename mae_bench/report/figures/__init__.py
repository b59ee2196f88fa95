"""Figures like the paper's, of finished records and of the models that they measured. Nothing here trains a model.

Imports nothing, for the command line asks for the names.
"""

FIGURES = {
    "reconstructions": "test images beside what MAE, VLAE and others make of them (the paper's Figures 2 and 4)",
    "samples": "images from every model (Figures 3, 4 and 6)",
    "tsne": "the latent space of every model in two dimensions, MAE over eta and gamma (Figure 5)",
    "nll-samples": "NLL against the number of importance samples",
    "kl-score": "the score of the board against KL, over the grid of MAE",
    "training": "training curves",
}
"""What there is to draw, in this order. The first three need checkpoints, the others records alone."""
